"""The catalogue: whatever the code can say, it can say in both languages."""

import re
import string

import pytest

from app.api.faults import _TYPES
from app.core.constants import CLASS_DESCRIPTIONS, CLASS_INDEX_BY_LETTERS, CLASS_NAMES, SUPERCLASSES
from app.core.exceptions import FieldError, InvalidInput, ProcessingFailed
from app.core.messages import detail, explain, known_codes, with_reason
from app.core.messages.ecg import ECG
from app.core.messages.errors import ERRORS
from app.core.messages.fields import FIELDS
from app.core.messages.text import Text
from app.ecg.errors import ErrorCode
from app.ecg.notices import NoticeCode

CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)
ALL_TEXTS = {
    **FIELDS,
    **ECG,
    **{
        f"{code}.{part}": getattr(text, part) for code, text in ERRORS.items() for part in ("title", "detail", "advice")
    },
}


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


class TestCatalogue:
    def test_knows_every_code_of_the_signal_and_no_other(self) -> None:
        assert set(ECG) == {*map(str, ErrorCode), *map(str, NoticeCode)}

    def test_keeps_its_parts_apart(self) -> None:
        assert not set(ECG) & set(FIELDS)
        assert not set(ERRORS) & (set(ECG) | set(FIELDS))

    def test_knows_every_fault_that_validation_names(self) -> None:
        assert {*_TYPES.values(), "invalid"} <= known_codes()

    @pytest.mark.parametrize("text", ALL_TEXTS.values(), ids=ALL_TEXTS)
    def test_says_the_same_in_both_languages(self, text: Text) -> None:
        assert placeholders(text.ru) == placeholders(text.en)
        assert not CYRILLIC.search(text.en)

    def test_speaks_russian_but_for_the_documents_own_english(self) -> None:
        english = [name for name, text in ALL_TEXTS.items() if not CYRILLIC.search(text.ru)]
        assert english == ["not-authenticated.detail", "token-expired.detail"]

    def test_holds_the_documents_sentences(self) -> None:
        assert explain("not-authenticated", "en") == "Could not validate credentials"
        assert explain("not-authenticated", "ru") == "Could not validate credentials"
        assert explain("token-expired", "ru") == "Token has expired"
        assert explain("wrong-credentials") == "Неверное имя пользователя или пароль"
        assert explain("admin-required") == "Требуются права администратора"
        assert explain("processing-failed") == "Модель не смогла обработать данные"
        assert explain("history_deleted") == "История успешно удалена"

    def test_joins_lists(self) -> None:
        assert explain("missing_leads", "en", {"leads": ["V1", "V2"]}) == "missing leads: V1, V2"

    def test_does_not_know_what_nobody_wrote(self) -> None:
        with pytest.raises(KeyError):
            explain("nonsense")


class TestSentences:
    def test_name_the_first_place_of_invalid_input(self) -> None:
        fault = FieldError(loc=("body", "samples", 3, "age"), type="too_large", params={"limit": "120"})
        assert detail(InvalidInput(errors=[fault]), "en") == (
            "The request is not what it should be (samples[3].age): the value is greater than 120"
        )

    def test_name_no_place_where_there_is_none(self) -> None:
        assert detail(InvalidInput()) == "Неверный формат данных"
        fault = FieldError(loc=("body",), type="json_invalid")
        assert detail(InvalidInput(errors=[fault])) == "Неверный формат данных: это не JSON в кодировке UTF-8"

    def test_leave_the_documents_403_alone_but_give_the_history_the_reason(self) -> None:
        error = ProcessingFailed(errors=[FieldError(loc=("body", "ecg_signal"), type="no_beats")])
        assert detail(error) == "Модель не смогла обработать данные"
        assert with_reason(error) == f"Модель не смогла обработать данные (ecg_signal): {explain('no_beats')}"


class TestClasses:
    def test_are_the_contracts_sixteen(self) -> None:
        assert ", ".join(f"{index} {name}" for index, name in enumerate(CLASS_NAMES)) == (
            "0 N, 1 S, 2 MS, 3 C, 4 MC, 5 CS, 6 M, 7 H, 8 MHS, 9 MHCS, 10 HC, 11 MCS, 12 HS, 13 HCS, 14 MH, 15 MHC"
        )

    def test_are_every_set_of_abnormal_classes_once(self) -> None:
        assert len(CLASS_INDEX_BY_LETTERS) == 16
        assert SUPERCLASSES == ("N", "S", "M", "C", "H")

    def test_are_described_in_the_order_of_their_letters(self) -> None:
        assert CLASS_DESCRIPTIONS[0] == "Normal ECG"
        assert CLASS_DESCRIPTIONS[1] == "STTC"
        assert CLASS_DESCRIPTIONS[9] == "Myocardial infarction + Hypertrophy + Conduction disturbance + STTC"
