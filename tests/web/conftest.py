from collections.abc import Iterator
from typing import Any

import pytest

from tests.serving import Answer, Server, serving
from tests.web.conformance import check_answer


@pytest.fixture(scope="module", autouse=True)
def _every_answer_is_as_described() -> Iterator[None]:
    """Hold whatever these tests are answered against the service's description of itself."""
    ask = Server.ask

    def asked(self: Server, method: str, path: str, *rest: Any, **more: Any) -> Answer:
        answer = ask(self, method, path, *rest, **more)
        check_answer(method, path, answer.status, answer.headers, answer.body)
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Server, "ask", asked)
        yield


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server"), converters="2") as running:
        yield running


@pytest.fixture(scope="session")
def sample(server: Server) -> bytes:
    return server.get("/v1/templates/notice/sample").body
