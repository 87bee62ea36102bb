"""``fcgiemu deploy``: Kudu's steps on real environments, pushes by git, and repositories that mean
harm.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from fcgiemu.app_service.home import Home
from fcgiemu.app_service.versioned_configs import nearest_config
from fcgiemu.azure import prepared_site as module
from fcgiemu.azure.deployment import Deployment, of_home
from fcgiemu.azure.failure import FAILED, DeploymentFailed
from fcgiemu.azure.programs import reason
from fcgiemu.azure.repository import create, receive
from fcgiemu.azure.runtime import RuntimeRefused, choose, parse, requested_version
from fcgiemu.cli import main
from fcgiemu.diagnosis.check import check
from fcgiemu.programs.installed_pythons import installed
from fcgiemu.programs.requirements import remedy_of, windows_only
from fcgiemu.site import Site

from ..sites import PROCESSOR, python_handler, web_config, write
from .server import LiveServer

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
APP = """
import sys
from greeting import WORD
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%s {} %d.%d" % ((WORD,) + sys.version_info[:2])).encode()]
"""
CONFIG = web_config(
    python_handler(),
    {
        "WSGI_HANDLER": "ptvs_virtualenv_proxy.get_venv_handler()",
        "WSGI_ALT_VIRTUALENV_HANDLER": "app.application",
        "WSGI_ALT_VIRTUALENV_ACTIVATE_THIS": "D:\\home\\site\\wwwroot\\env\\Scripts\\python.exe",
    },
)
REQUIREMENTS = "--no-index\ngreeting=={}\n"


def wheel(folder: Path, version: str, word: str) -> None:
    """A package of one module, as a wheel made by hand."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"greeting-{version}.dist-info"
    with zipfile.ZipFile(folder / f"greeting-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr("greeting.py", f"WORD = {word!r}\n")
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: greeting\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = write(
        tmp_path / "source",
        {
            "app.py": APP.format("one"),
            "web.config": CONFIG,
            "requirements.txt": REQUIREMENTS.format("1.0"),
            "runtime.txt": f"Python-{HERE}.99\n",
            "static/site.css": "",
        },
    )
    wheel(folder / "wheelhouse", "1.0", "hello")
    wheel(folder / "wheelhouse", "2.0", "goodbye")
    return folder


def deploy(source: Path, home: Path, **more: object) -> list[str]:
    said: list[str] = []
    Deployment(source=source, home=Home(home), say=said.append, **more).run()  # type: ignore[arg-type]
    return said


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def test_pushes(source: Path, tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    home = Home(tmp_path / "home")
    result = CliRunner().invoke(main, ["deploy", "--git-init", "--to", str(home.root)])
    assert result.exit_code == 0 and "git push azure" in result.output
    git(source, "init", "-q")

    def push(message: str) -> str:
        git(source, "add", "-A")
        git(source, "commit", "-q", "-m", message)
        return git(source, "push", str(home.repository), "HEAD:master")

    told = push("one")
    assert (
        "remote: Finished successfully." in told
        and f"python-{HERE} by runtime.txt: made new" in told
    )
    server = serve(home.wwwroot)
    assert server.get("/").text == f"hello one {HERE}"

    seen = server.line_count
    write(
        source,
        {
            "app.py": APP.format("two"),
            "requirements.txt": REQUIREMENTS.format("2.0"),
            "new.txt": "",
        },
    )
    (source / "static" / "site.css").unlink()
    assert "kept from the last deployment" in push("two")
    server.wait_for("changed: workers restart", seen)
    assert server.get("/").text == f"goodbye two {HERE}"
    assert (home.wwwroot / "new.txt").exists() and not (
        home.wwwroot / "static" / "site.css"
    ).exists()

    write(source, {"requirements.txt": REQUIREMENTS.format("3.0"), "app.py": "broken"})
    told = push("three")
    assert "remote: pip failed" in told and FAILED in told
    assert server.get("/").text == f"goodbye two {HERE}"
    active = (home.deployments / "active").read_text().strip()
    assert "Finished successfully." in (home.deployments / active / "log.log").read_text()

    other = next(
        (
            version
            for version in ((3, 12), (3, 13), (3, 10))
            if version != sys.version_info[:2] and installed(version)
        ),
        None,
    )
    if other is None:
        return  # no other Python is installed here to change runtime.txt to
    seen = server.line_count
    write(
        source,
        {
            "requirements.txt": REQUIREMENTS.format("1.0"),
            "app.py": APP.format("four"),
            "runtime.txt": f"python-{other[0]}.{other[1]}",
        },
    )
    assert "made new" in push("four")
    server.wait_for("changed: workers restart", seen)
    assert server.get("/").text == f"hello four {other[0]}.{other[1]}"
    assert (home.wwwroot / "env" / f"azure.env.python-{other[0]}.{other[1]}.txt").exists()


@pytest.mark.skipif(installed((2, 7)) is None, reason="Python 2.7 is not installed here")
@pytest.mark.skipif(
    importlib.util.find_spec("wfastcgi") is None,
    reason="wfastcgi is not installed: pip install -e .[wfastcgi]",
)
def test_a_site_of_python_2_7(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    """With a proxy script of its own, which comes before ours."""
    config = web_config(
        python_handler(),
        {
            "WSGI_HANDLER": "ptvs_virtualenv_proxy.get_virtualenv_handler()",
            "WSGI_ALT_VIRTUALENV_HANDLER": "app.application",
        },
    )
    source = write(
        tmp_path / "source",
        {
            "app.py": "import sys\ndef application(environ, start_response):\n    start_response('200 OK', [])\n"
            "    return ['%s %d.%d' % ((WORD,) + sys.version_info[:2])]\nWORD = 'ours'\n",
            "ptvs_virtualenv_proxy.py": "def get_virtualenv_handler():\n    import app\n    app.WORD = 'own'\n    return app.application\n",
            "requirements.txt": "",
            "runtime.txt": "python-2.7",
            "web.config": config,
        },
    )
    deploy(source, tmp_path / "home")
    deploy(source, tmp_path / "home")  # on the env that virtualenv has made, with its links
    wwwroot = Home(tmp_path / "home").wwwroot
    result = CliRunner().invoke(main, ["doctor", str(wwwroot)])
    assert result.exit_code == 0 and "loaded on Python 2.7" in result.output, result.output
    assert serve(wwwroot).get("/").text == "own 2.7"


def test_web_config_of_the_version(source: Path, tmp_path: Path) -> None:
    write(
        source,
        {f"web.{HERE}.config": CONFIG.replace(PROCESSOR, "mine|wfastcgi.py"), "Web.config": "old"},
    )
    deploy(source, tmp_path / "home")
    wwwroot = Home(tmp_path / "home").wwwroot
    assert (
        "mine|wfastcgi.py" in (wwwroot / "web.config").read_text()
        and not (wwwroot / "Web.config").exists()
    )


def test_what_is_no_python_site_is_only_copied(source: Path, tmp_path: Path) -> None:
    (source / ".skipPythonDeployment").write_text("")
    told = deploy(source, tmp_path / "home")
    assert [line for line in told if line.startswith("[")] == [
        "[1/2] copy: every deployment",
        "[2/2] sync: what has changed goes to site/wwwroot",
    ]
    assert not (Home(tmp_path / "home").wwwroot / "env").exists()


def test_collectstatic_and_skip_django(source: Path, tmp_path: Path) -> None:
    write(source, {"manage.py": "import sys; open('collected', 'w').write(' '.join(sys.argv[1:]))"})
    assert any("env holds no Django" in line for line in deploy(source, tmp_path / "home"))
    django = (
        Home(tmp_path / "home").wwwroot
        / "env"
        / "lib"
        / f"python{HERE}"
        / "site-packages"
        / "django"
    )
    django.mkdir(parents=True)
    deploy(source, tmp_path / "home")
    assert (
        Home(tmp_path / "home").wwwroot / "collected"
    ).read_text() == "collectstatic --noinput --clear"
    (source / ".skipDjango").write_text("")
    assert not any("] collectstatic" in line for line in deploy(source, tmp_path / "home"))


def test_the_command_of_deployment_is_run_only_when_told(source: Path, tmp_path: Path) -> None:
    write(
        source,
        {
            ".deployment": "[config]\ncommand = echo $DEPLOYMENT_TARGET > made.txt\n",
            ".skipPythonDeployment": "",
        },
    )
    assert any(
        "not run without --run-custom: echo" in line for line in deploy(source, tmp_path / "home")
    )
    deploy(source, tmp_path / "home", custom=True)
    assert not (source / "made.txt").exists()


def test_dry_run_changes_nothing(source: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["deploy", str(source), "--to", str(tmp_path / "home"), "--dry-run"]
    )
    assert (
        result.exit_code == 0
        and "2. env: python-" in result.output
        and "3. pip: requirements.txt" in result.output
    )
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("python-2.7", (2, 7)),
        ("python-3.4.4\r\n", (3, 4)),
        ("PYTHON-3.11", (3, 11)),
        ("python-3.99", None),
        ("3.11", None),
        ("", None),
        ("python-3.11 # a comment\nof two lines", (3, 11)),
        ("# python-3.11", None),
    ],
)
def test_runtime_txt(text: str, version: tuple[int, int] | None) -> None:
    if version is not None:
        assert parse(text, "runtime.txt") == version
        return
    with pytest.raises(RuntimeRefused, match="valid are python-2.7, python-3.4"):
        parse(text, "runtime.txt")


@pytest.mark.parametrize(
    ("files", "option", "version", "why"),
    [
        ({"Runtime.txt": "python-3.12"}, "3.13", (3, 12), "runtime.txt"),
        ({"web.config": CONFIG}, "3.13", (3, 13), "--python"),
        ({"web.config": CONFIG}, None, (3, 4), "web.config, as there is no runtime.txt"),
        (
            {
                "web.config": CONFIG.replace(
                    "D:\\Python34\\python.exe", "D:\\home\\python364x64\\python.exe"
                )
            },
            None,
            (3, 6),
            "web.config",
        ),
        ({"web.config": "<configuration>"}, None, (3, 11), "the default"),
        (
            {"web.3.4.config": CONFIG, "Web.2.7.Config": CONFIG},
            None,
            (2, 7),
            "web.2.7.config, as there is no runtime.txt",
        ),
        ({}, None, (3, 11), "the default"),
    ],
)
def test_which_python_is_wanted(
    tmp_path: Path, files: dict[str, str], option: str | None, version: tuple[int, int], why: str
) -> None:
    found, by = requested_version(write(tmp_path, files), option)
    assert found == version and why in by


def test_a_runtime_txt_of_powershell(tmp_path: Path) -> None:
    write(tmp_path, {"runtime.txt": "python-3.6".encode("utf-16")})
    with pytest.raises(
        RuntimeRefused, match="UTF-16, as PowerShell's > writes it: save it as UTF-8"
    ):
        requested_version(tmp_path, None)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (
            "Collecting x\nERROR: Could not find a version\nERROR: No matching distribution found for x==3.0\n",
            "ERROR: No matching distribution found for x==3.0. ",
        ),
        (
            "  gcc …\n  fatal error: sql.h: No such file or directory\n  error: command 'gcc' failed with exit code 1\n  note: see above\n"
            "ERROR: Failed building wheel for y\nerror: subprocess-exited-with-error\n",
            "fatal error: sql.h: No such file or directory. ",
        ),
        (
            "Traceback\nImportError: cannot import name 'getargspec'\nThe end\n",
            "ImportError: cannot import name 'getargspec'. ",
        ),
        ("one\nthe last line\n\n", "the last line. "),
        ("", ""),
    ],
)
def test_why_a_program_failed(output: str, said: str) -> None:
    ended = "pip install -r requirements.txt … ended with exit code 1."
    assert (
        reason(["pip", "install", "-r", "requirements.txt", "x"], 1, output.splitlines())
        == said + ended
    )


def test_a_script_of_windows() -> None:
    assert reason(["sh", "-c", "deploy.cmd"], 127, ["sh: 1: deploy.cmd: not found"]) == (
        "deploy.cmd: a script of Windows, which cannot run here."
    )


#: A build backend without requirements: an editable package is a .pth that names its folder.
BACKEND = """
import os, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(os.path.join(folder, "shop-1.0-py3-none-any.whl"), "w") as wheel:
        wheel.writestr("shop.pth", os.getcwd() + "/src\\n")
        wheel.writestr("shop-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: shop\\nVersion: 1.0\\n")
        wheel.writestr("shop-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("shop-1.0.dist-info/RECORD", "")
    open("made-by-pip.txt", "w").close()
    return "shop-1.0-py3-none-any.whl"
build_wheel = build_editable
"""


def test_editable_packages_lead_to_the_site(
    source: Path, tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    write(
        source,
        {
            "requirements.txt": "--no-index\n-e .\n",
            "backend.py": BACKEND,
            "src/shop.py": "WORD = 'edited'",
            "app.py": APP.format("one").replace("greeting", "shop"),
            "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            '[project]\nname = "shop"\nversion = "1.0"\n',
        },
    )
    deploy(source, tmp_path / "home")
    wwwroot = Home(tmp_path / "home").wwwroot
    assert (
        wwwroot / "env" / "lib" / f"python{HERE}" / "site-packages" / "shop.pth"
    ).read_text().strip() == str(wwwroot / "src")
    assert (wwwroot / "made-by-pip.txt").exists()
    assert serve(wwwroot).get("/").text == f"edited one {HERE}"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {".skipPythonDeployment": ""},
            "note: not a Python site for Kudu (there is a .skipPythonDeployment)",
        ),
        ({"env/x": ""}, "note: the env of the source is left out"),
        (
            {".deployment": "[config]\nproject = sub\n", "sub/index.html": "here"},
            "there is no requirements.txt in its root",
        ),
    ],
)
def test_what_is_told(source: Path, tmp_path: Path, files: dict[str, str], words: str) -> None:
    assert any(words in line for line in deploy(write(source, files), tmp_path / "home"))
    assert not (Home(tmp_path / "home").wwwroot / "env" / "x").exists()


def test_a_site_without_the_config_of_its_version(source: Path, tmp_path: Path) -> None:
    (source / "web.config").rename(source / "web.2.7.config")
    told = deploy(source, tmp_path / "home")
    assert any("warning: There is no web.config, only web.2.7.config" in line for line in told)
    assert any("The nearest is web.2.7.config: --nearest-config copies it" in line for line in told)
    assert not (tmp_path / "home/site/wwwroot/web.config").exists()


def test_the_config_of_the_nearest_version(source: Path, tmp_path: Path) -> None:
    (source / "web.config").rename(source / "web.2.7.config")
    to = str(tmp_path / "home")
    for option, copied in (("--nearest-config", True), ("--no-nearest-config", False)):
        done = CliRunner().invoke(main, ["deploy", str(source), "--to", to, option])
        assert done.exit_code == 0, done.output
        assert ("web.2.7.config takes its place" in done.output) is copied
        assert ("web.2.7.config, the nearest, is copied, which Azure would not" in done.output) is (
            copied
        )
        plan = CliRunner().invoke(main, ["deploy", str(source), "--to", to, "--dry-run"])
        assert ("web.2.7.config takes its place" in plan.output) is copied  # it is kept


@pytest.mark.parametrize(
    ("names", "version", "nearest"),
    [
        (["web.2.7.config", "web.3.4.config"], (3, 11), "web.3.4.config"),
        (["web.2.7.config", "web.3.4.config"], (2, 6), "web.2.7.config"),
        (["web.3.8.config", "web.3.10.config"], (3, 9), "web.3.10.config"),
        (["web.3.4.config"], (3, 4), None),
        (["web.3.4.config", "Web.Config"], (3, 11), None),
        ([], (3, 11), None),
    ],
)
def test_which_config_is_the_nearest(
    tmp_path: Path, names: list[str], version: tuple[int, int], nearest: str | None
) -> None:
    write(tmp_path, dict.fromkeys(names, CONFIG))
    found = nearest_config(tmp_path, version)
    assert (found and found.name) == nearest


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pywin32==306", 'write pywin32==306; sys_platform == "win32"'),
        ("WMI", 'write WMI; sys_platform == "win32"'),
        ("six @ file:///C:/ci/six_1", "write six alone"),
        ("numpy @ file:///D%3A/bld/numpy", "write numpy alone"),
        ("x @ https://host/x-1-cp39-cp39-win_amd64.whl", "write x alone"),
        ('pywin32; sys_platform == "win32"', None),
        ("six @ file:///tmp/six", None),
        ("flask", None),
    ],
)
def test_what_is_required_on_windows_only(tmp_path: Path, line: str, words: str | None) -> None:
    write(tmp_path, {"requirements.txt": f"bottle\n{line}\n"})
    found = windows_only(tmp_path)
    assert [remedy_of(requirement)[: len(words or "")] for requirement in found] == (
        [words] if words is not None else []
    )


def test_a_deployment_names_what_is_for_windows(source: Path, tmp_path: Path) -> None:
    write(source, {"requirements.txt": "six @ file:///C:/ci/six_1\n"})
    said: list[str] = []
    with pytest.raises(DeploymentFailed):
        Deployment(source=source, home=Home(tmp_path / "home"), say=said.append).run()
    assert any(
        "warning: requirements.txt requires six, which can be installed on Windows only" in line
        for line in said
    )


@pytest.mark.parametrize("project", ["..", "../outside", "nowhere", "app.py", ".git"])
def test_a_project_outside(source: Path, tmp_path: Path, project: str) -> None:
    write(source, {".deployment": f"[config]\nproject = {project}\n"})
    write(tmp_path, {"outside/requirements.txt": "", "source/.git/config": ""})
    with pytest.raises(DeploymentFailed, match=r"\.deployment names the project"):
        deploy(source, tmp_path / "home")


def test_settings_are_kept_for_what_follows(source: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    write(tmp_path, {"portal.env": "GREETING=hello from the portal\n"})
    (source / "runtime.txt").unlink()
    result = CliRunner().invoke(
        main,
        [
            "deploy",
            "--git-init",
            "--to",
            str(home.root),
            "--python",
            HERE,
            "--app-settings",
            str(tmp_path / "portal.env"),
        ],
    )
    assert result.exit_code == 0, result.output
    write(
        source,
        {
            ".deployment": "[config]\ncommand = echo $GREETING $APPSETTING_GREETING > said.txt; cp said.txt $DEPLOYMENT_TARGET\n"
        },
    )
    said: list[str] = []
    of_home(source, home, said.append, custom=True).run()
    assert (
        home.wwwroot / "said.txt"
    ).read_text() == "hello from the portal hello from the portal\n"
    assert "hello from the portal" not in "\n".join(said)
    (source / ".deployment").unlink()
    of_home(source, home, said.append).run()
    assert any(f"python-{HERE} by --python" in line for line in said)


def test_settings_of_the_repository_that_cannot_be_read(source: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    create(home)
    write(source, {"fcgiemu.toml": "nonsense =\n"})
    git(source, "init", "-q")
    git(source, "add", "-A")
    git(source, "commit", "-q", "-m", "one")
    told = git(source, "push", str(home.repository), "HEAD:main")
    assert "Correct the TOML" in told and FAILED in told and "Traceback" not in told


def test_the_nearest_python_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    present = {(3, 8): "/eight", (3, 12): "/twelve"}
    monkeypatch.setattr("fcgiemu.azure.runtime.installed", present.get)
    write(tmp_path, {"runtime.txt": "python-3.4"})
    chosen = choose(tmp_path, "3.12")
    assert (chosen.version, chosen.python) == (
        (3, 4),
        "/eight",
    ) and "Python 3.8 is used instead" in chosen.note
    (tmp_path / "runtime.txt").unlink()
    assert (choose(tmp_path, "3.12").python, choose(tmp_path, "3.12").why) == (
        "/twelve",
        "--python",
    )
    monkeypatch.setattr("fcgiemu.azure.runtime.installed", {}.get)
    with pytest.raises(RuntimeRefused, match="none from 3.6 on is installed"):
        choose(tmp_path, None)


def test_a_failed_deployment_is_kept_on_record(source: Path, tmp_path: Path) -> None:
    write(source, {"runtime.txt": "python-x"})
    with pytest.raises(DeploymentFailed):
        deploy(source, tmp_path / "home")
    folders = list(Home(tmp_path / "home").deployments.iterdir())
    assert len(folders) == 1 and FAILED in (folders[0] / "log.log").read_text()
    assert '"status": "failed"' in (folders[0] / "status.json").read_text()
    assert (
        CliRunner().invoke(main, ["deploy", str(source), "--to", str(tmp_path / "home")]).exit_code
        == 1
    )
    told = CliRunner().invoke(main, ["doctor", str(Home(tmp_path / "home").wwwroot)]).output
    assert "The deployment has failed: python failed: runtime.txt says 'python-x'" in told


# -- repositories that mean harm -------------------------------------------------------------------


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_links_are_not_followed(source: Path, tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {"secret.txt": "secret"})
    (source / "link.txt").symlink_to(outside / "secret.txt")
    (source / "folder").symlink_to(outside)
    (source / ".skipPythonDeployment").write_text("")
    told = deploy(source, tmp_path / "home")
    assert {line for line in told if "left out" in line} == {
        "note: folder is a link or no file, and left out",
        "note: link.txt is a link or no file, and left out",
    }
    assert not (Home(tmp_path / "home").wwwroot / "link.txt").exists() and everything(outside) == {
        "secret.txt"
    }


def test_a_link_in_the_target_is_no_way_out(source: Path, tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {"keep.txt": ""})
    home = Home(tmp_path / "home")
    home.create()
    (home.wwwroot / "static").symlink_to(outside)
    (source / ".skipPythonDeployment").write_text("")
    with pytest.raises(DeploymentFailed, match="written outside"):
        deploy(source, home.root)
    assert everything(outside) == {"keep.txt"}


def test_a_file_in_the_target_that_is_a_link_is_replaced(source: Path, tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {"keep.txt": "kept"})
    home = Home(tmp_path / "home")
    home.create()
    (home.wwwroot / "app.py").symlink_to(outside / "keep.txt")
    (source / ".skipPythonDeployment").write_text("")
    deploy(source, home.root)
    assert (outside / "keep.txt").read_text() == "kept" and not (
        home.wwwroot / "app.py"
    ).is_symlink()


def test_hooks_and_links_of_a_pushed_repository(source: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    create(home)
    write(source, {".skipPythonDeployment": "", "hooks/post-receive": "#!/bin/sh\ntouch hooked\n"})
    os.symlink("../../../outside", source / "up")
    os.symlink("/etc/passwd", source / "passwd")
    git(source, "init", "-q")
    git(source, "add", "-A")
    git(source, "commit", "-q", "-m", "one")
    before = everything(tmp_path) | {"outside"}
    assert "Finished successfully" in git(source, "push", str(home.repository), "HEAD:main")
    assert {
        path for path in everything(tmp_path) - before if not path.startswith(("home/", "source/"))
    } == set()
    assert not (home.wwwroot / "up").exists() and not (home.wwwroot / "passwd").exists()
    assert not any("hooked" in path for path in everything(tmp_path))
    assert "Deploying" not in git(source, "push", str(home.repository), "HEAD:refs/heads/other")
    assert receive(home, ["0 0 refs/heads/master", "nonsense", ""], lambda _: None)


def test_nothing_of_the_source_runs_in_the_place_of_pip(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = f"open({str(tmp_path / 'PWNED')!r}, 'w').close()\n"
    write(
        source,
        {
            "pip.py": trap,
            "venv.py": trap,
            "virtualenv.py": trap,
            "sitecustomize.py": trap,
            "contextlib.py": trap,
        },
    )
    monkeypatch.chdir(source)
    deploy(source, tmp_path / "home")
    assert not (tmp_path / "PWNED").exists()
    assert (
        Home(tmp_path / "home").wwwroot
        / "env"
        / "lib"
        / f"python{HERE}"
        / "site-packages"
        / "greeting.py"
    ).exists()


@pytest.mark.parametrize(
    "link",
    [
        "site",
        "site/wwwroot",
        "site/deployments",
        "site/deployments/active",
        "site/locks/deployments.lock",
        "site/deployments/settings.json",
        "site/locks/deploying.lock",
        "site/repository",
        "site/.deploy",
        "site/repository/hooks/post-receive",
        "LogFiles",
    ],
)
def test_links_of_the_target_are_no_way_out(source: Path, tmp_path: Path, link: str) -> None:
    outside = write(tmp_path / "outside", {"victim": "kept", "folder/kept.txt": "kept"})
    before = everything(outside)
    place = tmp_path / "home" / link
    place.parent.mkdir(parents=True)
    place.symlink_to(
        outside
        / (
            "victim"
            if "." in place.name[1:] or place.name in ("active", "post-receive")
            else "folder"
        )
    )
    with pytest.raises(DeploymentFailed, match="leads out of the target"):
        deploy(source, tmp_path / "home")
    assert (
        CliRunner()
        .invoke(
            main,
            ["deploy", str(source), "--git-init", "--to", str(tmp_path / "home"), "--python", HERE],
        )
        .exit_code
    )
    assert everything(outside) == before and (outside / "victim").read_text() == "kept"


def test_links_below_the_site_are_not_written_through(source: Path, tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {"kept.css": "kept"})
    home = Home(tmp_path / "home")
    deploy(source, home.root)
    write(source, {"manage.py": "open('static/kept.css', 'w').close()"})
    (home.wwwroot / "env" / "lib" / f"python{HERE}" / "site-packages" / "django").mkdir()
    (home.wwwroot / "uploads").symlink_to(outside)
    with pytest.raises(DeploymentFailed, match="leads out of the target") as raised:
        deploy(source, home.root)
    assert raised.value.step == "collectstatic"
    (home.wwwroot / "uploads").unlink()
    (home.wwwroot / "env" / "lib" / f"python{HERE}" / "site-packages" / "there").symlink_to(outside)
    with pytest.raises(DeploymentFailed, match="leads out of the target"):
        deploy(source, home.root)
    assert everything(outside) == {"kept.css"}


def test_one_deployment_waits_for_another(source: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    (source / ".skipPythonDeployment").write_text("")
    home.create()
    said: list[str] = []
    with home.busy.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        other = threading.Thread(target=Deployment(source=source, home=home, say=said.append).run)
        other.start()
        while not any("another deployment is running" in line for line in said):
            assert other.is_alive()
    other.join(30)
    assert said[-1] == "Finished successfully."


def test_a_folder_takes_the_place_of_a_file(source: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    write(source, {"data": "", ".skipPythonDeployment": ""})
    deploy(source, home.root)
    (source / "data").unlink()
    write(source, {"data/x": "new"})
    deploy(source, home.root)
    assert (home.wwwroot / "data" / "x").read_text() == "new"
    write(home.wwwroot, {"own": "of the site"})
    write(source, {"own/x": "new", "app.py": "changed"})
    with pytest.raises(DeploymentFailed, match="is a file of the site, where own/x needs a folder"):
        deploy(source, home.root)
    assert "changed" not in (home.wwwroot / "app.py").read_text()


def test_names_and_files_that_are_none(source: Path, tmp_path: Path) -> None:
    write(source, {".skipPythonDeployment": "", "a\nb.txt": "", "\x1b[31m.txt": ""})
    (source / os.fsdecode(b"caf\xe9.txt")).write_text("")
    os.mkfifo(source / "pipe")
    for name in (".deployment", "fcgiemu.toml", "Runtime.txt"):
        os.mkfifo(source / name)
    (source / "runtime.txt").unlink()
    told = deploy(source, tmp_path / "home")
    assert "note: a\\x0ab.txt has control characters in its name, and is left out" in told
    assert "note: \\x1b[31m.txt has control characters in its name, and is left out" in told
    deploy(source, tmp_path / "home")
    assert (Home(tmp_path / "home").wwwroot / os.fsdecode(b"caf\xe9.txt")).exists()


def test_a_linked_requirements_txt_is_none(source: Path, tmp_path: Path) -> None:
    (source / "requirements.txt").rename(source / "other.txt")
    (source / "requirements.txt").symlink_to("other.txt")
    assert any(
        "there is no requirements.txt in its root" in line
        for line in deploy(source, tmp_path / "home")
    )


def test_a_version_that_is_none_is_not_kept(source: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["deploy", str(source), "--to", str(tmp_path / "home"), "--python", "3.99"]
    )
    assert result.exit_code == 2 and "--python says 'python-3.99'; valid are" in result.output
    assert Home(tmp_path / "home").remembered() == {}


def test_a_huge_file_is_refused(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 1000)
    write(source, {"huge.bin": b"x" * 1001})
    with pytest.raises(DeploymentFailed, match=r"huge\.bin is larger"):
        deploy(source, tmp_path / "home")
    assert not (Home(tmp_path / "home").wwwroot / "app.py").exists()


def test_a_target_that_is_the_source(source: Path) -> None:
    with pytest.raises(DeploymentFailed, match="name another folder with --to"):
        deploy(source, source)
    assert not (source / "site").exists()


def test_a_source_that_is_missing(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["deploy", str(tmp_path / "nowhere"), "--dry-run", "--to", str(tmp_path / "home")]
    )
    assert result.exit_code == 2 and "There is no folder" in result.output


# -- Node ------------------------------------------------------------------------------------------


def deployed(tmp_path: Path, files: dict[str, str]) -> tuple[Path, list[str]]:
    """The wwwroot of a deployment of these files, and what was said."""
    said: list[str] = []
    source = write(tmp_path / "node", files)
    made = of_home(source, Home(tmp_path / "home"), said.append)
    made.run()
    return made.home.wwwroot, said


@pytest.mark.parametrize(
    ("files", "start"),
    [
        ({"server.js": ""}, "server.js"),
        ({"app.js": "", "package.json": "{}"}, "app.js"),
        ({"app.js": "", "server.js": ""}, "server.js"),
        ({"package.json": '{"scripts": {"start": "node ./bin/www"}}', "bin/www": ""}, "bin/www"),
        ({"package.json": '{"scripts": {"start": "nodemon x"}}', "app.js": ""}, "app.js"),
        ({"package.json": '{"scripts": {"start": "node ../../x.js"}}'}, ""),
        ({"package.json": "[]"}, ""),
    ],
)
def test_the_web_config_of_a_node_site(tmp_path: Path, files: dict[str, str], start: str) -> None:
    wwwroot, said = deployed(tmp_path, files)
    text = "\n".join(said)
    assert "a Node site for Kudu" in text
    if not start:
        assert not (wwwroot / "web.config").exists() and "Kudu writes no web.config" in text
        return
    site = Site(wwwroot)
    assert not [known for known in check(site) if known.severity == "error"]
    outcome = site.explain("/api/x?y=1")["outcome"]
    assert (outcome["kind"], outcome["iisnode"]["script"]) == ("iisnode", start)
    assert outcome["iisnode"]["url"] == "/api/x?y=1"
    assert site.explain(f"/{start}/debug")["rules"] == ["NodeInspector"]
    write(wwwroot, {"public/a.css": ""})
    assert Site(wwwroot).explain("/a.css?v=1")["outcome"]["kind"] == "static"


def test_what_a_node_site_has_is_kept(tmp_path: Path) -> None:
    files = {
        "bin/www": "",
        "web.config": "<configuration />",
        "package.json": '{"scripts": {"start": "node bin/www"}, "engines": {"node": "18.1.2"}}',
        "bin/iisnode.yml": "loggingEnabled: false",
    }
    wwwroot, said = deployed(tmp_path, files)
    assert (wwwroot / "web.config").read_text() == "<configuration />"
    lines = (wwwroot / "bin" / "iisnode.yml").read_text().splitlines()
    assert lines[0] == "loggingEnabled: false" and len(lines) == 2
    assert re.fullmatch(
        r'nodeProcessCommandLine: "D:\\Program Files \(x86\)\\nodejs\\18\.1\.2\\node\.exe"',
        lines[1],
    )
    write(tmp_path / "node", {"bin/iisnode.yml": "nodeProcessCommandLine: node"})
    deployed(tmp_path, {})
    assert (wwwroot / "bin" / "iisnode.yml").read_text() == "nodeProcessCommandLine: node"


def test_a_site_without_engines_gets_no_iisnode_yml(tmp_path: Path) -> None:
    wwwroot, _ = deployed(tmp_path, {"server.js": "", "package.json": "{}"})
    assert not (wwwroot / "iisnode.yml").exists()


def test_python_comes_before_node(source: Path, tmp_path: Path) -> None:
    write(source, {"package.json": "{}", "server.js": ""})
    names = [step.name for step in of_home(source, Home(tmp_path / "home"), print).plan()]
    assert names == ["copy", "env", "pip", "sync"]


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_the_packages_of_a_node_site(tmp_path: Path) -> None:
    files = {
        "server.js": "",
        "own/package.json": '{"name": "own", "version": "1.0.0"}',
        "own/index.js": "module.exports = 'first';",
        "package.json": '{"dependencies": {"own": "file:./own"}}',
    }
    wwwroot, said = deployed(tmp_path, files)
    assert any("] npm: package.json" in line for line in said)
    assert (wwwroot / "node_modules" / "own").exists()
    deployed(tmp_path, {})
    assert (wwwroot / "node_modules" / "own" / "index.js").exists()


def test_packages_without_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    with pytest.raises(DeploymentFailed, match="npm is not installed"):
        deployed(tmp_path, {"server.js": "", "package.json": '{"dependencies": {"a": "1"}}'})
