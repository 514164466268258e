"""What the pages say is so: blocks, commands, options, files, addresses, names and defaults are held against the code."""

import importlib.util
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import click
import pytest
import yaml
from flask import Flask

from service.access import read_keys
from service.catalog import load_template
from service.cli.app import cli
from service.errors import ExitCode, ServiceError
from service.labels.stock import STOCK
from service.model import VerdictCode
from service.settings import Settings
from service.web.app import BLUEPRINTS
from service.web.metrics import described
from tests.conftest import ROOT
from tests.nginx import NGINX, faults
from tests.pages import PAGES, Block, all_blocks, blocks, codes, page_text, uses

# What no test can do as it stands there, by page and first line, and why. What it names is looked up all the same.
NOT_RUN = {
    (
        "docs/architecture.md",
        "request ─► origin, guard, door ─► schema ─► fill ─► faces ─► convert ─► contract, whole text ─► seal ─► sign ─► out",
    ): "a drawing",
    ("docs/architecture.md", "master (gunicorn; loads everything, serves nothing)"): "a drawing",
    (
        "docs/operations.md",
        "cd /opt/wenyin",
    ): "installs a service on this machine; the unit is judged by systemd-analyze",
    (
        "docs/operations.md",
        "docker compose -f deploy/compose/compose.yaml build",
    ): "needs Docker; the file is read by test_deployment.py, the image's steps are run by tools/prove_dockerfile.py",
    (
        "docs/operations.md",
        "cyclonedx-py environment /opt/wenyin/.venv/bin/python -o wenyin.cdx.json",
    ): "a program that is no dependency of ours",
    (
        "docs/template-guide.md",
        "志愿服务证明",
    ): "typed into a word processor; test_template_guide.py reads it there",
    (
        "docs/template-guide.md",
        "WENYIN_TEMPLATES_DIR=my-templates .venv/bin/wenyin serve",
    ): "serves until it is stopped; test_template_guide.py serves the same folder",
}
# Blocks that a test of their own reads: it must name the page and the kind.
ELSEWHERE = {
    ("docs/api.md", "python"): "tests/meta/test_readme.py",
    ("docs/template-guide.md", "json"): "tests/integration/test_template_guide.py",
    ("docs/template-guide.md", "toml"): "tests/integration/test_template_guide.py",
}
# Without a method only what cannot be a JSON Pointer or a folder; /v1/traces is a collector's.
_ADDRESS = re.compile(
    r"(?:(?:GET|POST|HEAD) (?=/)|(?=/(?:v1|V|verify|livez|readyz|metrics|openapi|docs|\.well)\b))(?P<path>[^ ?]*)(?:\?\S*)?"
)
UNITS_S = {"秒": 1, "小时": 3600}
COUNTS = {"个", "行", "份"}


def settings_accept(block: Block, _folder: Path) -> None:
    """A reader's environment, as he would write it."""
    Settings.from_mapping(
        {
            name.removeprefix("WENYIN_").lower(): value
            for name, _, value in (line.partition("=") for line in block.text.splitlines())
        }
    )


def nginx_accepts(block: Block, folder: Path) -> None:
    if not NGINX.exists() and not os.environ.get("CI"):
        pytest.skip("tools/install-system.sh --test")
    listening = f"listen unix:{folder}/socket;"
    if "server {" in block.text:
        site = block.text.replace("server {", f"server {{ {listening}", 1)
    else:
        site = f"server {{ {listening}\n{block.text}\n}}"
    assert faults(folder, site) == ""


def keys_are_read(block: Block, folder: Path) -> None:
    file = folder / "apikeys.json"
    file.write_text(block.text.replace("64 位十六进制", "0" * 64), "utf-8")
    file.chmod(0o600)
    (key,) = read_keys(file).values()
    assert key.name == "人事系统"


def prometheus_is_told_of_what_there_is(block: Block, _folder: Path) -> None:
    told = yaml.safe_load(block.text)
    if "rules" in told:
        (rule,) = told["rules"]
        name = rule["seriesQuery"].partition("{")[0]
        assert name in {item.name for item in described()}
    else:
        (job,) = told["scrape_configs"]
        assert job["authorization"]["credentials"]


def a_template_takes_it(block: Block, folder: Path) -> None:
    """A whole manifest, or a part of one, fits at least one of the templates with such fields."""
    whole = "title" in tomllib.loads(block.text)
    for piece in re.split(r"\n(?=\[\[rules\]\])", f"\n{block.text}"):
        if piece.strip():
            assert _taken(piece, folder, whole=whole), piece


def _taken(piece: str, folder: Path, *, whole: bool) -> bool:
    for source in sorted((ROOT / "templates/docx").iterdir()):
        shutil.rmtree(folder / "template", ignore_errors=True)
        shutil.copytree(source, folder / "template")
        manifest = folder / "template" / "template.toml"
        before = (
            ""
            if whole
            else re.sub(r"(?ms)^\[contract.*?(?=^\[(?!contract)|\Z)", "", manifest.read_text("utf-8"))
        )
        manifest.write_text(f"{before}\n{piece}", "utf-8")
        try:
            load_template(folder / "template")
        except ServiceError:
            continue
        return True
    return False


READ: dict[tuple[str, str], Callable[[Block, Path], None]] = {
    ("docs/access.md", "dotenv"): settings_accept,
    ("docs/access.md", "json"): keys_are_read,
    ("docs/access.md", "nginx"): nginx_accepts,
    ("docs/operations.md", "yaml"): prometheus_is_told_of_what_there_is,
    ("docs/templates.md", "toml"): a_template_takes_it,
}


def test_every_block_is_run_or_read_or_says_why_not() -> None:
    listed = set()
    for block in all_blocks():
        listed.add(block.place)
        kind = (block.page, block.kind)
        # Those for a shell are run, on whatever page they stand: see FOLLOWED in test_readme.py.
        assert block.kind == "sh" or kind in READ or kind in ELSEWHERE or block.place in NOT_RUN, block
        assert block.kind == "text" or block.place not in NOT_RUN, block
    assert set(NOT_RUN) <= listed
    for (page, name), path in ELSEWHERE.items():
        reader = (ROOT / path).read_text("utf-8")
        assert page in reader, page
        assert f'"{name}"' in reader, (page, name)


@pytest.mark.parametrize(
    "block",
    [block for block in all_blocks() if (block.page, block.kind) in READ],
    ids=lambda block: f"{block.page}:{block.line}",
)
def test_block_is_what_its_reader_expects(block: Block, tmp_path: Path) -> None:
    READ[block.page, block.kind](block, tmp_path)


def test_a_fault_in_a_block_is_found(tmp_path: Path) -> None:
    with pytest.raises(ServiceError):
        settings_accept(Block("", 1, "dotenv", "WENYIN_PROXY_USER_NAME=X-Remote-User"), tmp_path)
    with pytest.raises(AssertionError):
        a_template_takes_it(Block("", 1, "toml", '[[rules]]\nkind = "not_before"\npointer = "/a"'), tmp_path)
    with pytest.raises(AssertionError):
        nginx_accepts(Block("", 1, "nginx", "location / { limit_req zone=unheard_of; }"), tmp_path)


def arguments_of(command: click.Command) -> list[click.Argument]:
    return [item for item in command.params if isinstance(item, click.Argument)]


def walk(words: Sequence[str]) -> tuple[str, ...]:
    """Return which command the words of a usage mean; alternatives end it.

    Raises:
        AssertionError: There is no such command, option or choice, or it takes fewer arguments.
    """
    command: click.Command = cli
    path: list[str] = []
    rest = list(words)
    while rest and isinstance(command, click.Group) and not rest[0].startswith("-"):
        names = rest.pop(0).split("|")
        assert all(name in command.commands for name in names), (words, names)
        command = command.commands[names[0]]
        path.append(names[0])
    options = {name: item for item in command.params if isinstance(item, click.Option) for name in item.opts}
    given = []
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            given.append(word)
            continue
        for name in word.split("|"):
            assert name in options or name in ("--help", "-h", "--version"), (words, name)
        if rest and name in options and not options[name].is_flag:
            _is_choice(options[name], rest.pop(0))
    taken = arguments_of(command)
    assert len(given) <= len(taken), (words, given)
    for item, word in zip(taken, given, strict=False):
        _is_choice(item, word)
    return tuple(path)


def _is_choice(parameter: click.Parameter, word: str) -> None:
    if isinstance(parameter.type, click.Choice) and not re.search("[\u4e00-\u9fff]", word):
        assert set(word.split("|")) <= set(parameter.type.choices), (parameter.name, word)


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for name, command in group.commands.items():
        found |= leaves(command, (*path, name)) if isinstance(command, click.Group) else {(*path, name)}
    return found


def test_commands_of_the_pages_are_those_of_the_program() -> None:
    named = {walk(words) for page in PAGES for words in uses(page, "wenyin")}
    assert leaves(cli) <= named, "commands that no page speaks of"


@pytest.mark.parametrize(
    "usage",
    [
        "keys replace",
        "keys rotate --all",
        "apikeys list 甲",
        "keys revoke KEY lost",
        "templates lint --format pdf",
    ],
)
def test_a_wrong_command_is_found(usage: str) -> None:
    with pytest.raises(AssertionError):
        walk(usage.split())


def test_modules_and_targets_that_the_pages_run_exist() -> None:
    targets = (ROOT / "Makefile").read_text("utf-8")
    for page in PAGES:
        for words in uses(page, "make"):
            assert [name for name in words if not re.search(rf"^{re.escape(name)}:", targets, re.M)] == [], (
                page
            )
        for words in uses(page, "python"):
            if words[:1] == ["-m"]:
                name, *options = words[1:]
                found = importlib.util.find_spec(name)
                assert found is not None, (page, name)
                place = Path(str(found.origin))
                source = (place.with_name("__main__.py") if place.stem == "__init__" else place).read_text(
                    "utf-8"
                )
                for word in (
                    part for option in options if not option.isdecimal() for part in option.split("|")
                ):
                    assert word in source or re.search("[\u4e00-\u9fff.]", word), (page, name, word)


def test_files_that_the_pages_name_exist() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"var"}
    shipped = {path.name for place in ("deploy", "tools", "templates") for path in (ROOT / place).rglob("*")}
    for page in PAGES:
        text = [*codes(page), *(block.text for block in blocks(page))]
        for word in (word for part in text for word in re.split(r"[\s'\"=@(),]+", part)):
            top, slash, rest = word.partition("/")
            if slash and top in folders and re.fullmatch(r"[\w./-]*", rest):
                assert (ROOT / word).exists(), (page, word)
            elif re.fullmatch(r"[\w-]+\.(conf|yaml|service|sh|toml)", word):
                assert word in shipped or (ROOT / word).exists(), (page, word)


def test_links_and_pictures_exist() -> None:
    for page in PAGES:
        path = ROOT / page
        for target in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", page_text(page)):
            link, _, anchor = "".join(target).partition("#")
            if "://" not in link:
                found = path.parent / link if link else path
                assert found.exists(), (page, link)
                assert not anchor or f"# {anchor}\n" in found.read_text("utf-8"), (page, link, anchor)


def test_addresses_that_the_pages_name_are_served() -> None:
    app = Flask("service.web", static_url_path="/static")
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    rules = [[_segment(part) for part in rule.rule.split("/")] for rule in app.url_map.iter_rules()]
    for page in PAGES:
        for code in codes(page):
            found = _ADDRESS.fullmatch(code)
            if found and found[0] != "/v1/traces":
                asked = [_segment(part) for part in found["path"].rstrip("/").split("/")]
                assert any(_meets(asked, rule) for rule in rules), (page, code)


def _segment(part: str) -> str | None:
    """A part of an address; ``None``: any."""
    return None if re.search(r"[{<…]", part) else part


def _meets(asked: list[str | None], rule: list[str | None]) -> bool:
    """Whether an address, or the beginning of one, is one of a rule."""
    return len(asked) <= len(rule) and all(
        None in pair or pair[0] == pair[1] for pair in zip(asked, rule, strict=False)
    )


@cache
def sources() -> str:
    places = (
        "service",
        "deploy",
        "templates",
        "tools",
        "bench",
        "tests",
        "fixtures",
        "pyproject.toml",
        "Makefile",
    )
    listed = subprocess.run(
        ["git", "ls-files", *places], cwd=ROOT, check=True, capture_output=True, text=True
    )
    texts = []
    for name in listed.stdout.splitlines():
        if not name.endswith((".docx", ".pdf", ".png", ".xlsx", ".jpg")) and "test_documentation" not in name:
            texts.append((ROOT / name).read_bytes().decode("utf-8", "replace"))
    return "\n".join(texts)


def test_names_that_the_pages_set_as_code_are_in_the_code() -> None:
    """Codes of errors, fields, attributes, headers of ours, names of volumes: whatever has a hyphen or low line in it."""
    for page in PAGES:
        if page in ("docs/fault-matrix.md", "docs/licences.md"):
            continue  # generated from the code
        for code in codes(page):
            if re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)+|X-[A-Z][A-Za-z-]+", code):
                assert re.search(rf"(?<![\w-]){re.escape(code)}(?![\w-])", sources()), (page, code)


def test_problems_that_others_answer_in_our_name_are_documented() -> None:
    for path in (ROOT / "deploy").rglob("*.*"):
        for code in re.findall(r"urn:wenyin:problem:([a-z-]+)", path.read_text("utf-8")):
            assert f"`{code}`" in page_text("docs/errors.md"), (path, code)


def test_names_of_settings_and_metrics_are_known_on_every_page() -> None:
    settings = {name for name, _, _ in Settings.table()}
    metrics = {item.name for item in described()}
    for page in PAGES:
        named = set(re.findall(r"\bWENYIN_[A-Z_]*[A-Z]\b", page_text(page)))
        assert named <= settings, page
        for code in codes(page):
            for word in re.findall(r"\bwenyin_[a-z_]+", code):
                plain = re.sub(r"_(total|bucket|sum|count|info)$", "", word)
                assert plain in metrics or f'"{word}"' in sources(), (page, word)


def test_defaults_told_in_sentences_are_the_defaults() -> None:
    defaults = {name: value for name, value, _ in Settings.table()}
    number, unit = r"([\d,.]+) ?", f"({'|'.join((*UNITS_S, *COUNTS))})"
    told = []
    for page in PAGES:
        text = page_text(page)
        told += re.findall(rf"默认(?:最多)? ?{number}{unit}（`(WENYIN_\w+)`", text)
        told += [(n, u, name) for name, n, u in re.findall(rf"`(WENYIN_\w+)`（默认 ?{number}{unit}", text)]
    assert len(told) >= 4
    for value, word, name in told:
        assert float(value.replace(",", "")) * UNITS_S.get(word, 1) == float(defaults[name]), (name, value)


@pytest.mark.parametrize(
    ("page", "told", "path", "line"),
    [
        ("access", "4,094 字节", "service/cli/serve.py", "_REQUEST_LINE_BYTES = 4_094"),
        (
            "access",
            "100 个，每个 8,190 字节",
            "service/cli/serve.py",
            "_HEADERS = 100\n_HEADER_BYTES = 8_190",
        ),
        ("access", "20 个部分", "service/web/app.py", "_FORM_PARTS = 20"),
        ("access", "上传页 60 个", "service/web/upload.py", "FORM_PARTS = 60"),
        ("access", "合计 500,000 字节", "service/web/app.py", "_FORM_TEXT_BYTES = 500_000"),
        ("access", "容许差 60 秒", "service/access/oidc.py", "_LEEWAY_S = 60"),
        ("access", "每小时取一次", "service/access/oidc.py", "_MAX_AGE_S = 3600.0"),
        ("access", "每 30 秒至多一次", "service/access/oidc.py", "_BETWEEN_S = 30.0"),
        ("access", "30 天内到期", "service/access/report.py", "_SOON = timedelta(days=30)"),
        (
            "api",
            "（1 到 255 个可见的 ASCII 字符）",
            "service/web/idempotency.py",
            '_KEY = re.compile(r"[!-~]{1,255}")',
        ),
        ("batches", "最多 256 列", "service/sheets/source.py", "columns: int = 256"),
        ("batches", "| `copies` | 1–100，", "service/web/batches.py", "_MOST_COPIES = 100"),
        ("batches", "标签每 20 张标签纸为一个 PDF", "service/batch/plan.py", "SHEETS_PER_PART = 20"),
        ("operations", "每 25 份文件", "service/batch/plan.py", "DOCUMENTS_PER_PIECE = 25"),
        ("operations", "退避重试 5 次", "service/batch/store.py", "_TRIES = 5"),
        ("staff", "三十天内有效", "service/web/static/staff.js", "DRAFT_DAYS = 30;"),
        ("staff", "前 20 行", "service/sheets/preview.py", "count: int = 20"),
    ],
)
def test_numbers_told_are_those_of_the_code(page: str, told: str, path: str, line: str) -> None:
    assert told in page_text(f"docs/{page}.md")
    assert re.search(rf"{re.escape(line)}(?!\d)", (ROOT / path).read_text("utf-8")), line


def test_exit_codes_are_all_told() -> None:
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", page_text("docs/errors.md"), re.M)}
    assert told == {*map(int, ExitCode), 130}


def test_controls_that_the_clerks_page_names_are_on_the_pages() -> None:
    web = ROOT / "service/web"
    shown = "".join(
        path.read_text("utf-8") for path in web.rglob("*") if path.suffix in (".html", ".js", ".py")
    )
    for label in re.findall(r"\*\*([^*]+)\*\*", page_text("docs/staff.md")):
        assert re.search(re.escape(label).replace("…", ".*"), shown), label


def test_pages_that_deployed_files_lead_to_have_those_headings() -> None:
    led = []
    for path in [*(ROOT / "deploy").rglob("*.*"), *(ROOT / "service").rglob("*.py")]:
        for page, heading in re.findall(r"(docs/[\w-]+\.md)(?:“([^”]+)”)?", path.read_text("utf-8")):
            assert page in PAGES, (path, page)
            assert not heading or re.search(rf"^#+ {heading}$", page_text(page), re.M), (path, heading)
            led.append(page)
    assert led


def test_verdicts_alerts_and_label_stock_are_told_in_full() -> None:
    assert {*VerdictCode} <= {*codes("docs/api.md")}
    alerts = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text("utf-8"))
    (group,) = alerts["groups"]
    told = [code for code in codes("docs/operations.md") if re.fullmatch(r"Wenyin\w+", code)]
    assert told == [rule["alert"] for rule in group["rules"]]
    (table,) = re.findall(r"\n\| `sheet` .*?\n\n", page_text("docs/templates.md"), re.S)
    sheets = {}
    for row in table.strip().splitlines()[2:]:
        names, count, sizes = row.split("|")[1:4]
        for place, name in enumerate(re.findall(r"`([^`]+)`", names)):
            millimetres = sizes.split("、")[min(place, sizes.count("、"))].split("×")
            sheets[name] = (int(count.rpartition("=")[2]), *map(float, millimetres))
    assert sheets == {name: (item.per_page, item.width, item.height) for name, item in STOCK.items()}
