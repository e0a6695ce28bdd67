"""What the pages name exists: files, commands, ports, variables, targets of make, options of `andon`."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from bin.stack.services import DEFAULT_PORTS, port_variable

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PORTS = {**DEFAULT_PORTS, "grafana": 3000}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def blocks(page: Path) -> str:
    """The fenced shell blocks of a page."""
    return "\n".join(re.findall(r"```(?:sh|shell|bash|console)\n(.*?)```", page.read_text(), re.DOTALL))


def prose(page: Path) -> str:
    return re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@every_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if fragment and file.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            assert fragment in {anchor(heading) for heading in headings}, target


@every_page
def test_files_that_are_named_are_there(page):
    tops = "alertmanager|bin|docs|exporters|grafana|prometheus|sandbox|tests|webhook"
    for name in re.findall(rf"`((?:{tops})/[\w./*-]+)`", page.read_text()):
        found = list(ROOT.glob(name.rstrip("/"))) if "*" in name else [ROOT / name]
        # The user's own configuration is named before it is made.
        own = {"webhook/andon.yml", "exporters/exporters.yml", "prometheus/rules/limits.ours.yml"}
        assert name in own or (found and found[0].exists()), name


@every_page
def test_targets_of_make_are_there(page):
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"`(?:[A-Z_]+=\S+ )*make ([a-z-]+)", page.read_text())
    named += re.findall(r"^\s*(?:[A-Z_]+=\S+ )*make ([a-z-]+)", blocks(page), re.MULTILINE)
    assert set(named) <= targets


@every_page
def test_ports_are_those_of_the_services(page):
    named = {int(port) for port in re.findall(r"(?:127\.0\.0\.1|localhost):(\d{4,5})", page.read_text())}
    assert named <= set(PORTS.values())


@cache
def options_of(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


@every_page
def test_commands_of_andon_take_the_options_that_are_shown(page):
    # What stands in angle brackets is for the reader to fill in.
    shown = re.findall(r"(?:^|\s|/)andon ([a-z][^\n`]*)", re.sub(r"<[^>\n]*>", "X", blocks(page)))
    for line in shown:
        words = shlex.split(line.split(" #")[0].rstrip("\\"))
        verbs = words[:2] if words[0] == "operator" else words[:1]
        text = options_of("-m", "webhook", *verbs)
        for option in [word.split("=")[0] for word in words if word.startswith("--")]:
            assert option in text, f"andon {line}"


def test_the_page_about_running_it_lists_every_port_with_the_variable_that_moves_it():
    text = (ROOT / "docs" / "running.md").read_text()
    for name, port in PORTS.items():
        assert re.search(rf"\| {port} \| `{port_variable(name)}` \|", text), name


def test_the_readme_is_two_screens():
    before, more = (ROOT / "README.md").read_text().split("\n## More\n")
    assert len(before.splitlines()) <= 105
    assert max(map(len, before.splitlines())) <= 140
    assert more.count("](") > 5


def test_every_variable_of_the_example_environment_is_read_and_every_one_that_names_a_file_is_in_it():
    compose = (ROOT / "docker-compose.yml").read_text()
    launcher = "".join(file.read_text() for file in (ROOT / "bin" / "stack").glob("*.py"))
    offered = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    for variable in offered:
        assert f"${{{variable}:" in compose or f'"{variable}"' in launcher, variable
    files = re.findall(r'host_file\(environ, "([A-Z_]+)"\)', launcher)
    assert set(files) <= set(offered)
    assert len(files) >= 4


def test_every_target_of_make_says_what_it_does():
    text = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY: (\S+)$", text, re.MULTILINE))
    told = set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))
    assert phony == told


def test_every_metric_of_the_webhook_is_on_the_page_of_metrics():
    source = (ROOT / "webhook" / "telemetry" / "metrics.py").read_text()
    page = (ROOT / "docs" / "metrics.md").read_text()
    for name in re.findall(r'"(andon_[a-z0-9_]+)"', source):
        assert f"`{name}`" in page or f"`{name}_total`" in page, name
