"""Status codes of panes, of HTTP and gRPC."""

import pytest

from modelmonitor.core.judging.codes import HTTP_OF_GRPC, by_class, code_class, http_code, is_error


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("101", "1xx"),
        ("200", "2xx"),
        ("304", "3xx"),
        ("429", "4xx"),
        ("599", "5xx"),
        ("none", "none"),
        ("grpc-0", "2xx"),
        ("grpc-1", "4xx"),
        ("grpc-8", "4xx"),
        ("grpc-14", "5xx"),
        ("grpc-77", "5xx"),
        ("grpc-", "5xx"),
        ("999", "other"),
        ("20", "other"),
        ("", "other"),
    ],
)
def test_every_code_has_a_class(code: str, name: str) -> None:
    assert code_class(code) == name


def test_all_codes_of_grpc_are_mapped() -> None:
    assert sorted(HTTP_OF_GRPC) == list(range(17))
    assert [
        number for number in HTTP_OF_GRPC if not is_error(f"grpc-{number}", ["4xx", "5xx"])
    ] == [0]


def test_requests_are_added_up_by_class() -> None:
    codes = {"200": 1, "204": 2, "grpc-0": 4, "grpc-14": 8, "none": 16, "999": 32}
    assert by_class(codes) == {"2xx": 7, "5xx": 8, "none": 16, "other": 32}


def test_codes_of_http_stay() -> None:
    assert http_code("418") == "418"
    assert not is_error("418", ["5xx", "429"])
    assert is_error("none", [])
