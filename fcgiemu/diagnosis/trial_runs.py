"""What ``doctor`` sees when it starts the programs of a site: whether a process of httpPlatform or
aspNetCore listens, and what the application answers for its first page.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from ..applications import Application
from ..catalogue import finding
from ..catalogue.findings import Finding
from ..decision import CallFastCgi, Decision, Handler
from ..modules import asp_net_core as core
from ..modules import http_platform
from ..modules.fastcgi_variables import encode_params
from ..modules.http_platform import HttpPlatform
from ..programs import asp_net_core as core_programs
from ..programs import install_commands, interpreter_probe, trial_requests
from ..programs.fastcgi_launch import Launcher, NotRegistered, PoolOptions
from ..programs.http_platform import command_line
from ..programs.interpreters import Program, ProgramMissing, find_program
from ..programs.ports import free_port
from ..site import Site
from .asp_net_core import of_failed_start as core_starts
from .causes import causes, in_words
from .doctor_steps import DoctorStep
from .http_platform import by_hand, of_failed_start
from .python_applications import chosen_program, program_missing, timeout


def platform(
    site: Site, application: Application, handler: Handler, wrong: Collection[str]
) -> Iterator[DoctorStep]:
    """The process of <httpPlatform>, started and asked for the first page where nothing that is
    ``wrong`` already keeps it from that.
    """
    yield DoctorStep("handler", "ok", f"{handler.name}: path={handler.path} {handler.origin}")
    settings = site.effective(application.url or "/").view(http_platform.http_platform)
    try:
        program = find_program(settings.process_path, site, application)
        words, environment = command_line(site, application, settings, "PORT")
    except ProgramMissing as error:
        yield DoctorStep.of("process", program_missing(error))
        return
    yield from chosen_program(program)
    yield DoctorStep("process", "ok", " ".join(words))
    missing = list(_module(application, program, words, environment))
    yield from missing
    if not missing and not wrong:
        yield from _started(_platform_start(site, application, settings, program))


def _platform_start(
    site: Site, application: Application, settings: HttpPlatform, program: Program
) -> Start:
    port = free_port()
    line = command_line(site, application, settings, port)
    return Start(
        application=application,
        program=program,
        line=line,
        port=port,
        seconds=settings.startup_time_limit,
        variable=http_platform.PORT_VARIABLE,
        likely=lambda trial: of_failed_start(
            settings, application, program, trial.output, trial.ports
        ),
        headers={"MS-ASPNETCORE-TOKEN": line[1].get(http_platform.TOKEN_VARIABLE, "")},
    )


def asp_net_core(
    site: Site, application: Application, handler: Handler, wrong: Collection[str]
) -> Iterator[DoctorStep]:
    """The process of <aspNetCore>, in the same way."""
    yield DoctorStep("handler", "ok", f"{handler.name}: path={handler.path} {handler.origin}")
    settings = site.effective(application.url or "/").view(core.asp_net_core)
    port = free_port()
    try:
        found = core_programs.command(site, application, settings, {})
        line = core_programs.command_line(site, application, settings, port)
    except ProgramMissing as error:
        yield DoctorStep.of("process", program_missing(error))
        return
    if found.note:
        yield DoctorStep("process", "ok", found.note)
    yield DoctorStep("process", "ok", " ".join(line[0]))
    if not wrong:
        yield from _started(
            Start(
                application=application,
                program=found.program,
                line=line,
                port=port,
                seconds=settings.startup_time_limit,
                variable=core.PORT_VARIABLE,
                likely=lambda trial: core_starts(application, trial.output, trial.ports),
                headers={"MS-ASPNETCORE-TOKEN": line[1].get(core.TOKEN_VARIABLE, "")},
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How a process is started once: command and environment, its port, which ``variable`` tells
    it, the seconds that it has, what is likely behind a failure, and the headers of a request.
    """

    application: Application
    program: Program
    line: tuple[tuple[str, ...], dict[str, str]]
    port: int
    seconds: float
    variable: str
    likely: Callable[[trial_requests.Trial], list[Finding]]
    headers: Mapping[str, str] = field(default_factory=dict)


def _module(
    application: Application, program: Program, words: tuple[str, ...], environment: dict[str, str]
) -> Iterator[DoctorStep]:
    """Whether Python has the module that <httpPlatform> runs with -m."""
    if words[1:2] != ("-m",) or len(words) < 3 or program.version is None:
        return
    module = words[2].partition(".")[0]
    ended = interpreter_probe.run(
        (words[0], "-c", f"import {module}"), environment, application.path
    )
    if ended.code is None:
        yield DoctorStep.of("process", timeout(module))
    elif ended.code:
        likely = " ".join(map(in_words, causes(ended.output, application, program)))
        install = install_commands.packages(program, application.path, module)
        reason = (ended.output.strip().splitlines() or ["it ends at once"])[-1]
        remedy = likely or f"Install {module}. Run: {install}"
        yield DoctorStep.of(
            "process", finding("python-load-error", None, reason=reason, remedy=remedy)
        )


def _started(start: Start) -> Iterator[DoctorStep]:
    """Start the process as IIS would, and see whether it listens and what it answers."""
    application, (words, environment) = start.application, start.line
    try:
        trial = trial_requests.try_platform(
            words,
            environment,
            str(application.path),
            port=start.port,
            seconds=start.seconds,
            headers=start.headers,
        )
    except OSError as error:
        reason = f"{words[0]}: {error.strerror}"
        yield DoctorStep.of("process", finding("platform-no-start", None, reason=reason, remedy=""))
        return
    if trial.listens and trial.answer is not None:
        yield DoctorStep("process", "ok", "it listens on the port that it is given")
        yield answered(application, trial.answer, start.program)
        return
    hand = by_hand(application, words, start.port, start.variable)
    remedy = " ".join(map(in_words, start.likely(trial))) or f"Start it by hand. Run: {hand}"
    reason = _reason(trial, start.port, start.seconds)
    yield DoctorStep.of("process", finding("platform-no-start", None, reason=reason, remedy=remedy))


def _reason(trial: trial_requests.Trial, port: int, seconds: float) -> str:
    """How a start failed, and what the process wrote last."""
    why = (
        f"the process ended with exit code {trial.code}"
        if trial.code is not None
        else f"the process does not listen on the port that it is given, {port}, within"
        f" {seconds:g} seconds (startupTimeLimit)"
    )
    lines = trial.output.strip().splitlines()
    return f"{why}: {lines[-1]}" if lines else why


def first_page(site: Site, application: Application, decision: Decision) -> Iterator[DoctorStep]:
    """What a FastCGI application itself answers for its first page."""
    action = decision.action
    if not isinstance(action, CallFastCgi):
        return
    processor = action.handler.script_processor
    try:
        program = find_program(processor, site, application)
        launcher = Launcher(site, PoolOptions())
        launch = launcher.launch(program, application, launcher.limits(processor, application))
    except ProgramMissing as error:
        yield DoctorStep.of("request", program_missing(error))
        return
    except NotRegistered:
        yield DoctorStep.of("request", finding("python-not-registered", None))
        return
    answer = trial_requests.ask_fastcgi(launch, encode_params(decision, action))
    yield answered(application, answer, program)


def answered(
    application: Application, answer: trial_requests.ProgramAnswer, program: Program | None
) -> DoctorStep:
    """What the application itself says of its first page."""
    url = f"{application.url}/"
    errors = answer.errors or _traceback(answer.printed)
    lines = errors.partition("\n\nStdOut: ")[0].strip().splitlines()
    likely = causes(errors or answer.body, application, program)
    found = _judged(url, application, answer, lines, " ".join(map(in_words, likely)))
    if found is None:
        return DoctorStep("request", "ok", f"the application answers {url} with {answer.status}")
    return DoctorStep.of("request", found)


def _traceback(printed: str) -> str:
    """The last traceback that a framework has logged, as Flask does where it answers 500."""
    head = "Traceback (most recent call last):\n"
    _, found, after = printed.rpartition(head)
    lines = after.splitlines()
    end = next((n for n, line in enumerate(lines, 1) if line[:1] not in ("", " ")), len(lines))
    return found + "\n".join(lines[:end])


def _judged(
    url: str,
    application: Application,
    answer: trial_requests.ProgramAnswer,
    lines: list[str],
    remedy: str,
) -> Finding | None:
    if not answer.status:
        first, last = (lines[0], lines[-1]) if lines else ("no word", "no word")
        began = first.removesuffix(" Traceback (most recent call last):")
        reason = first if first == last else f"{began} {last}"
        return finding("python-no-answer", None, url=url, reason=reason, remedy=remedy)
    if answer.status == 404:
        form = "/below" if application.url else ""
        code = f"python-answer-missing{form}"
        return finding(code, None, url=url, application=application.url)
    if answer.status >= 500 or answer.status == 400:
        code = f"python-answer-error{'/said' if lines else ''}"
        reason = lines[-1] if lines else ""
        status = answer.status
        return finding(code, None, url=url, status=status, reason=reason, remedy=remedy)
    return None
