"""The servers that are compared, each over the same folder and application, with as many processes
for it (two), and on the same interpreter: the system's, which every server's own user may run and
which is most often the fastest build of Python on a machine (one without profile guided
optimisation takes up to twice as long), where it is of our version; else the one that runs this.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

WERKZEUG = """
import sys
sys.path.insert(0, sys.argv[1])
from app import app
from werkzeug.middleware.shared_data import SharedDataMiddleware
from werkzeug.serving import WSGIRequestHandler, run_simple
import logging
logging.getLogger("werkzeug").setLevel(logging.ERROR)
WSGIRequestHandler.protocol_version = "HTTP/1.1"
run_simple("127.0.0.1", int(sys.argv[2]), SharedDataMiddleware(app, {"/static": sys.argv[1] + "/static"}), threaded=True)
"""
#: The application behind flup, for servers that start FastCGI programs themselves.
FLUP = """#!%s
import sys
sys.path[:0] = [%r, %r]
from app import app
from flup.server.fcgi import WSGIServer
WSGIServer(app).run()
"""


def interpreter() -> str:
    """The interpreter of every server and of the application."""
    found = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if found is None:
        return sys.executable
    asked = "import sys; print(sys.version_info[:2], sys.implementation.name)"
    version = subprocess.run([found, "-c", asked], capture_output=True, text=True).stdout
    ours = f"{sys.version_info[:2]} {sys.implementation.name}"
    return found if version.strip() == ours else sys.executable


def environment() -> dict[str, str]:
    """With what this interpreter imports, for the other one."""
    paths = sysconfig.get_paths()
    folders = [str(Path(__file__).parents[2]), paths["purelib"], paths["platlib"]]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(folders))}


def fastcgi_program(folder: str, site: Path) -> Path:
    """The application as a FastCGI program, with an interpreter that the server's own user may
    run.
    """
    flup = Path(importlib.util.find_spec("flup").origin).parent  # type: ignore[union-attr, arg-type]
    shutil.copytree(flup, Path(folder, "flup"))
    script = Path(folder, "app.fcgi")
    script.write_text(FLUP % (interpreter(), str(site), folder))
    script.chmod(0o755)
    return script


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until the port answers; raises where the process ends instead."""
    for _ in range(400):
        if process.poll() is not None:
            raise RuntimeError(f"ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.025)
    raise RuntimeError("does not answer")


@contextmanager
def running(command: list[str], port: int, env: dict[str, str] | None = None) -> Iterator[int]:
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=env,
    )
    try:
        wait_for(port, process)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def fcgiemu(site: Path, *options: str) -> Iterator[int]:
    port = free_port()
    with running(
        [interpreter(), "-m", "fcgiemu", "serve", str(site), "--port", str(port), *options],
        port,
        environment(),
    ):
        yield port


@contextmanager
def werkzeug(site: Path) -> Iterator[int]:
    port = free_port()
    with running([interpreter(), "-c", WERKZEUG, str(site), str(port)], port, environment()):
        yield port


@contextmanager
def apache(site: Path) -> Iterator[int]:
    """mod_rewrite and mod_fcgid, as Debian's packages bring them."""
    modules = Path("/usr/lib/apache2/modules")
    if shutil.which("apache2") is None or not (modules / "mod_fcgid.so").exists():
        raise FileNotFoundError("apache2 with libapache2-mod-fcgid is not installed")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        fastcgi_program(folder, site)
        names = ["mpm_event", "authz_core", "dir", "mime", "rewrite", "fcgid", "alias", "unixd"]
        loads = "\n".join(
            f"LoadModule {name}_module {modules}/mod_{name}.so"
            for name in names
            if (modules / f"mod_{name}.so").exists()
        )
        user = "User www-data\nGroup www-data" if os.getuid() == 0 else ""
        Path(folder, "httpd.conf").write_text(f"""
ServerRoot {folder}
PidFile {folder}/pid
ErrorLog {folder}/error.log
Listen 127.0.0.1:{port}
ServerName localhost
{loads}
{user}
TypesConfig /etc/mime.types
DocumentRoot {site}
FcgidIPCDir {folder}/sock
FcgidProcessTableFile {folder}/table
FcgidMaxProcessesPerClass 2
FcgidMinProcessesPerClass 2
MaxKeepAliveRequests 0
ScriptAlias /app.fcgi {folder}/app.fcgi
<Directory />
Require all granted
</Directory>
<Directory {folder}>
Options +ExecCGI
SetHandler fcgid-script
</Directory>
RewriteEngine On
RewriteCond %{{REQUEST_URI}} !^/static/
RewriteRule ^/(.*)$ /app.fcgi/$1 [PT,L,QSA]
""")
        with running(["apache2", "-d", folder, "-f", f"{folder}/httpd.conf", "-DFOREGROUND"], port):
            yield port


@contextmanager
def lighttpd(site: Path) -> Iterator[int]:
    """mod_fastcgi."""
    program = shutil.which("lighttpd") or shutil.which("lighttpd", path="/usr/sbin")
    if program is None:
        raise FileNotFoundError("lighttpd is not installed")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        script = fastcgi_program(folder, site)
        Path(folder, "lighttpd.conf").write_text(f"""
server.modules = ("mod_fastcgi")
server.document-root = "{site}"
server.port = {port}
server.bind = "127.0.0.1"
server.max-keep-alive-requests = 1000000
mimetype.assign = (".css" => "text/css", ".txt" => "text/plain")
$HTTP["url"] !~ "^/static/" {{
  fastcgi.server = ("/" => (("socket" => "{folder}/sock", "bin-path" => "{script}",
    "max-procs" => 2, "check-local" => "disable")))
}}
""")
        with running([program, "-D", "-f", f"{folder}/lighttpd.conf"], port):
            yield port


@contextmanager
def nginx(site: Path) -> Iterator[int]:
    """Static files only: nginx starts no FastCGI programs."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise FileNotFoundError("nginx is not installed")
    port = free_port()
    user = "user www-data;" if os.getuid() == 0 else ""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        paths = "".join(
            f"{name}_temp_path {folder}/{name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        Path(folder, "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log; {user}
events {{ worker_connections 256; }}
http {{
  {paths} access_log off; sendfile on; keepalive_requests 1000000; types {{ text/plain txt; }}
  server {{ listen 127.0.0.1:{port}; root {site}; location / {{ return 200; }} location /static/ {{ }} }}
}}
""")
        with running([program, "-p", folder, "-c", f"{folder}/nginx.conf"], port):
            yield port


def genuine(site: Path) -> AbstractContextManager[int]:
    """fcgiemu in front of Microsoft's wfastcgi.py: what our worker is to be compared with."""
    return fcgiemu(site, "--worker", "wfastcgi")


SERVERS = {
    "fcgiemu": fcgiemu,
    "wfastcgi": genuine,
    "werkzeug": werkzeug,
    "apache": apache,
    "lighttpd": lighttpd,
    "nginx": nginx,
}
#: Those that serve no programs.
STATIC_ONLY = frozenset({"nginx"})
