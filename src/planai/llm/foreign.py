"""ForeignModel: a model object of pydantic-ai, or one that it knows by ``"provider:model"``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from planai.llm.answering import answering
from planai.llm.client import Answer, Request
from planai.llm.request_key import deciding
from planai.llm.secrets import shown_address
from planai.llm.transported import Transported

_WHERE = {
    "azure": ("AZURE_OPENAI_ENDPOINT", "OPENAI_API_VERSION"),
    "bedrock": ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_REGION"),
    "cohere": ("CO_BASE_URL",),
    "gateway": ("PYDANTIC_AI_GATEWAY_BASE_URL", "PAIG_BASE_URL"),
    "github": ("GITHUB_COPILOT_BASE_URL", "COPILOT_API_URL", "GITHUB_COPILOT_API_BASE"),
    "google": ("GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL", "GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_PROJECT"),
    "heroku": ("HEROKU_INFERENCE_URL",),
    "snowflake": ("SNOWFLAKE_ACCOUNT",),
}
"""The variables that say where a model is served which is known by its name, and by which version of a protocol; of
other providers it is one that ends with ``_BASE_URL``."""


@dataclass(eq=False)
class ForeignModel(Transported):
    """Any model that pydantic-ai can ask.

    Attributes:
        model: a ``pydantic_ai.models.Model``, or its name as ``"provider:model"``; a named one is made when it is
            first asked, and then looks for its key in its own variables.
        more: settings by their names, such as ``temperature``.
        timeout: seconds that one try of a request may take.
        max_retries: how often a request is tried again after a time-out, a 429 or a 5xx.
        prices: US dollars per million tokens of ``input``, ``output`` and ``cached`` input; None for the list's.
        structured_outputs: whether the model follows a JSON schema; where not, the schema is put into the prompt.
        provider: the name of the provider.
        model_name: the name of the model.
    """

    model: Any
    more: Mapping[str, Any] = field(default_factory=dict, repr=False)
    timeout: float = 600.0
    max_retries: int = 3
    prices: Mapping[str, Decimal] | None = None
    structured_outputs: bool = True
    provider: str = field(init=False)
    model_name: str = field(init=False)

    def __post_init__(self) -> None:
        is_name = isinstance(self.model, str)
        self.provider = self.model.partition(":")[0] if is_name else str(self.model.system)
        self.model_name = self.model.partition(":")[2] if is_name else str(self.model.model_name)

    def identity(self) -> Mapping[str, str | None]:
        """Return provider, model, and server where that is known."""
        return {"provider": self.provider, "model": self.model_name, "base_url": self.url()}

    def url(self) -> str | None:
        """Return where the model is served, without secrets; None for where its provider does."""
        return ",".join(map(shown_address, self.addresses())) or None

    def addresses(self) -> list[str]:
        """Return where the model is served, as far as that is known."""
        if not isinstance(self.model, str):
            return addresses_of(self.model)
        family = self.provider.partition("/")[0].partition("-")[0]
        found = (os.environ.get(name) for name in _WHERE.get(family, (f"{family.upper()}_BASE_URL",)))
        return [one for one in found if one]

    def settings(self) -> Mapping[str, Any]:
        """Return what changes the answers: also the settings of the model object itself."""
        own = {} if isinstance(self.model, str) else settings_of(self.model)
        follows = {} if self.structured_outputs else {"structured_outputs": False}
        return {**own, **self.more, **follows}

    def sent(self) -> dict[str, Any]:
        """Return the settings that are sent; the model object adds its own."""
        return dict(self.more)

    def variables(self) -> tuple[str, ...]:
        """Return nothing: the provider's own error names its variable."""
        return ()

    def find_kept(self, request: Request) -> Answer | None:
        """Return what a `CachedModel` has kept, without asking; None where there is nothing, for any other model."""
        found: Answer | None = self._transport().find_kept(self, request) if hasattr(self.model, "kept") else None
        return found

    def find_key(self) -> str:
        """Return the key that the client of a model object has, as far as it shows it: never to be shown further."""
        return str(getattr(getattr(self.model, "client", None), "api_key", None) or "")


def single_models(model: Any) -> list[Any]:
    """Return the models that a model object may ask: itself, or those that a ``FallbackModel`` has, wrapped or not."""
    inner = getattr(model, "models", None)
    return [one for each in inner for one in single_models(each)] if isinstance(inner, list) else [model]


def addresses_of(model: Any) -> list[str]:
    """Return where a model object is served, as far as it shows it; where it has several within, all of theirs."""
    urls = [getattr(one, "base_url", None) for one in single_models(model)]
    return [str(url or "") for url in urls] if any(urls) else []


def url_of(model: Any) -> str | None:
    """Return where a model object is served, as far as it shows it, without secrets."""
    return ",".join(map(shown_address, addresses_of(model))) or None


def settings_of(model: Any) -> dict[str, Any]:
    """Return the settings of a model object; where it has others within, theirs, too."""
    own = dict(model.settings or {})
    theirs = [
        {**({} if one is model else deciding(one.settings or {})), **_scripted(one)} for one in single_models(model)
    ]
    return {**own, "models": theirs} if any(theirs) else own


def _scripted(model: Any) -> dict[str, Any]:
    """Return what pydantic-ai's models for tests answer: others may have the same name."""
    while (inner := getattr(model, "wrapped", None)) is not None:
        model = inner
    match type(model).__module__:
        case "pydantic_ai.models.test":
            told = (model.custom_output_text, model.custom_output_args, model.call_tools, model.seed)
            return {"answers": [str(one) for one in told]}
        case "pydantic_ai.models.function":
            functions = (model.function, model.stream_function)
            return {"answers": [answering(one) for one in functions if one is not None]}
    return {}


def foreign(value: object) -> ForeignModel | None:
    """Return what pydantic-ai can ask; None for all else. A program that holds such an object has imported it."""
    if isinstance(value, str) and all(value.partition(":")):
        return ForeignModel(value)
    models = sys.modules.get("pydantic_ai.models")
    return ForeignModel(value) if models is not None and isinstance(value, models.Model) else None
