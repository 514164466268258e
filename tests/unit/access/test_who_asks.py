"""Who asks, by each proof and by several at once."""

from collections.abc import Callable
from datetime import date
from ipaddress import ip_network
from pathlib import Path

import pytest

from service.access import AccessGate, Asking, Caller, new_key, open_gate
from service.access.follow import Followed
from service.access.keyfile import ApiKey, read_keys, revoke_key
from service.access.proxy import ProxyRule, is_from
from service.access.session import Sessions
from service.errors import ConfigError, Forbidden, Unauthenticated
from service.scopes import Grant
from service.settings import Settings

SECRET = b"s" * 32
TODAY = date(2026, 5, 8)
TRUSTED = (ip_network("10.1.0.0/16"), ip_network("::1/128"))
PROXY = ProxyRule(TRUSTED, "x-remote-user", "", "wenyin:", Grant.of(["template:*", "batch"]))
GROUPS = ProxyRule(TRUSTED, "x-remote-user", "x-groups", "wenyin:", Grant.of(["template:*", "batch"]))
Made = tuple[ApiKey, str]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "apikeys.json"


@pytest.fixture
def key(file: Path) -> Made:
    return new_key(file, "人事系统", ["template:notice"], TODAY, TODAY)


def gate(
    file: Path | None = None,
    proxy: ProxyRule | None = None,
    today: Callable[[], date] = lambda: TODAY,
    lasting_s: float = 3600,
) -> AccessGate:
    keys = Followed(file, read_keys) if file else None
    return AccessGate(SECRET, Sessions(SECRET, lasting_s), today, keys, proxy)


def asking(
    peer: str = "10.1.2.3", authorization: str | None = None, cookie: str = "", **headers: str
) -> Asking:
    return Asking(
        peer, authorization, cookie, {name.replace("_", "-"): text for name, text in headers.items()}
    )


def who(door: AccessGate, **said: str) -> Caller:
    return door.identify(asking(**said))


def test_without_any_way_anybody_may_do_everything() -> None:
    caller = who(gate(), x_remote_user="root", authorization="Bearer x")
    assert caller.log_id == ""
    for scope in ("batch", "seal", "metrics"):
        caller.require(scope)
    caller.require("template", "notice")


def test_a_key_works_to_the_end_of_its_last_day(file: Path, key: Made) -> None:
    assert who(gate(file), authorization=f"bearer {key[1]}").log_id == key[0].key_id
    with pytest.raises(Unauthenticated, match="过期"):
        who(gate(file, today=lambda: date(2026, 5, 9)), authorization=f"Bearer {key[1]}")


def test_a_cookie_is_worth_no_more_than_its_key(file: Path, key: Made) -> None:
    door = gate(file)
    caller, cookie = door.sign_in(f" {key[1]}\n")
    assert (caller.name, caller.signed_in) == ("人事系统", True)
    assert key[1].partition(".")[2] not in cookie
    assert who(gate(file), cookie=cookie) == caller
    with pytest.raises(Unauthenticated):
        who(gate(file, today=lambda: date(2026, 5, 9)), cookie=cookie)
    text = file.read_text("utf-8")
    file.write_text(text.replace(key[0].sha256, "0" * 64), "utf-8")
    with pytest.raises(Unauthenticated):
        who(door, cookie=cookie)
    file.write_text(text, "utf-8")
    assert who(door, cookie=cookie) == caller
    revoke_key(file, key[0].key_id, TODAY)
    with pytest.raises(Unauthenticated):
        who(door, cookie=cookie)


def test_a_cookie_that_was_changed_or_is_old_or_of_another_service_opens_nothing(
    file: Path, key: Made
) -> None:
    cookie = gate(file).sign_in(key[1])[1]
    stranger = Sessions(b"t" * 32, 3600).cookie(key[0])
    for wrong in (cookie[:-1], cookie + "A", cookie[1:], stranger, "", "x", "a.b.c", "ä", key[1]):
        with pytest.raises(Unauthenticated):
            who(gate(file), cookie=wrong)
    with pytest.raises(Unauthenticated):
        who(gate(file, lasting_s=-1), cookie=cookie)


def test_a_wrong_key_is_not_saved_by_a_good_cookie(file: Path, key: Made) -> None:
    cookie = gate(file).sign_in(key[1])[1]
    with pytest.raises(Unauthenticated):
        who(gate(file, PROXY), authorization="Bearer x", cookie=cookie, x_remote_user="zhang")


def test_the_proxy_is_believed_and_nobody_else() -> None:
    caller = who(gate(proxy=PROXY), x_remote_user="张三".encode().decode("latin-1"))
    assert (caller.name, caller.signed_in, caller.grant) == ("张三", False, PROXY.grant)
    assert caller.log_id.startswith("user-")
    assert "张三" not in caller.log_id
    for peer in ("10.2.0.1", "127.0.0.1", "", "unix:", "10.1.2.3.4"):
        with pytest.raises(Forbidden, match="反向代理"):
            who(gate(proxy=PROXY), peer=peer, x_remote_user="张三")
        with pytest.raises(Unauthenticated):
            who(gate(proxy=PROXY), peer=peer)


@pytest.mark.parametrize("name", ["", " ", "a,b", "admin, zhang", "a\x00", "\x1b[31m", "x" * 201])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(Unauthenticated):
        who(gate(proxy=PROXY), x_remote_user=name)


def test_groups_of_the_proxy_are_scopes() -> None:
    caller = who(gate(proxy=GROUPS), x_remote_user="li", x_groups="staff, wenyin:template:notice;wenyin:seal")
    assert caller.grant.words == {"template:notice", "seal"}
    assert who(gate(proxy=GROUPS), x_remote_user="li").grant.words == set()
    with pytest.raises(Forbidden):
        who(gate(proxy=GROUPS), peer="10.2.0.1", x_groups="wenyin:seal")
    with pytest.raises(Unauthenticated):
        who(gate(proxy=GROUPS), x_groups="wenyin:seal")
    # Nobody asked for this header.
    assert who(gate(proxy=PROXY), x_remote_user="li", x_groups="wenyin:seal").grant == PROXY.grant


def test_the_same_person_has_the_same_pseudonym_and_another_service_another() -> None:
    one, again, other = (who(gate(proxy=PROXY), x_remote_user=name).log_id for name in ("li", "li", "wang"))
    assert one == again != other
    stranger = AccessGate(b"t" * 32, Sessions(b"t", 1), lambda: TODAY, None, PROXY)
    assert who(stranger, x_remote_user="li").log_id != one


def test_an_ipv4_address_is_known_in_its_ipv6_form() -> None:
    assert is_from("::ffff:10.1.2.3", TRUSTED)
    assert is_from("::1", TRUSTED)
    assert not is_from("::ffff:10.2.2.3", TRUSTED)


def test_everything_wrong_with_the_files_is_named_at_once(tmp_path: Path) -> None:
    settings = Settings.from_mapping(
        {
            "api_keys": str(tmp_path / "apikeys.json"),
            "oidc_issuer": "https://id.example.cn",
            "oidc_audience": "wenyin",
            "oidc_jwks": str(tmp_path / "jwks.json"),
        }
    )
    with pytest.raises(ConfigError) as caught:
        open_gate(settings, SECRET, lambda: TODAY)
    assert "apikeys.json" in str(caught.value)
    assert "jwks.json" in str(caught.value)


def test_services_that_share_their_keys_share_cookies(file: Path, key: Made) -> None:
    settings = Settings.from_mapping({"api_keys": str(file)})
    one, two = (open_gate(settings, SECRET, lambda: TODAY) for _ in range(2))
    cookie = one.sign_in(key[1])[1]
    assert who(two, cookie=cookie).log_id == key[0].key_id
    with pytest.raises(Unauthenticated):
        who(open_gate(settings, b"u" * 32, lambda: TODAY), cookie=cookie)
