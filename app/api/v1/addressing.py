"""Parts of addresses that end where a dot begins, so that `1.ics` is not taken for a number that is none."""

from typing import Final

from starlette.convertors import StringConvertor, register_url_convertor

BEFORE_DOT: Final = "before_dot"
"""Stands behind the name of the part, as in `/{number:before_dot}`."""


class _BeforeDot(StringConvertor):
    regex = "[^/.]+"


register_url_convertor(BEFORE_DOT, _BeforeDot())
