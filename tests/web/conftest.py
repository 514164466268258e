from collections.abc import Iterator

import pytest

from tests.serving import Server, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server"), converters="2") as running:
        yield running


@pytest.fixture(scope="session")
def sample(server: Server) -> bytes:
    return server.get("/v1/templates/notice/sample").body
