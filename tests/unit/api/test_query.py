"""Reading the query of a request."""

from urllib.parse import parse_qsl

from hypothesis import example, given
from hypothesis import strategies as st
from starlette.requests import Request

from app.api.parsing.upload import query_pairs


@given(st.text(st.sampled_from("ab=&%+.,-_2;~ "), max_size=40))
@example("age=55&sex=1&height=175.5&leads=I,II&units=")
def test_is_read_as_everybody_reads_it(query: str) -> None:
    request = Request({"type": "http", "query_string": query.encode()})
    assert list(query_pairs(request)) == parse_qsl(query, keep_blank_values=True)
