"""What classes are called, whatever they say of themselves."""

from __future__ import annotations

from typing import Any

import pytest

from planai.cache.names import module_name, module_of, qualified


def test_a_class_is_called_with_its_module() -> None:
    assert qualified(pytest.Item) == "_pytest.nodes:Item"
    assert module_name("shop") == "shop"
    assert module_name(None) == ""


@pytest.mark.parametrize("module", [property(lambda self: "of each object"), None, 5])
def test_a_class_that_names_no_module_has_none(module: Any) -> None:
    kind = type("Odd", (), {"__module__": module})
    assert (module_of(kind), qualified(kind)) == ("", ":Odd")
