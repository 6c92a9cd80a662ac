"""Our cache behind GPTCache's `DataManager` and `SimilarityEvaluation`, for code that was written for GPTCache.

The rule is applied by the search, so that whatever evaluation or threshold such code has chosen can only refuse what
the rule gives. Importing this module imports GPTCache, disarmed. Where that code looks at the score of a search, it
is what GPTCache's own vectors stores give: the squared Euclidean distance, 0 for the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from passerelle.bridges.disarm import disarmed
from passerelle.cache.library import Hit, Library

if TYPE_CHECKING:
    from passerelle.cache.entry import Vector

disarmed()  # before the first import of GPTCache

from gptcache import Cache, Config  # type: ignore[import-untyped]  # noqa: E402 - disarmed above
from gptcache.manager.data_manager import DataManager  # type: ignore[import-untyped]  # noqa: E402
from gptcache.manager.scalar_data.base import Answer, CacheData  # type: ignore[import-untyped]  # noqa: E402
from gptcache.processor.pre import get_prompt  # type: ignore[import-untyped]  # noqa: E402
from gptcache.similarity_evaluation import SimilarityEvaluation  # type: ignore[import-untyped]  # noqa: E402
from gptcache.utils.error import CacheError  # type: ignore[import-untyped]  # noqa: E402


class Embedded(np.ndarray[Any, np.dtype[np.float32]]):
    """A vector that knows its text: GPTCache's search is given nothing else, and ours needs the words too."""

    text: str | None = None


class Found(tuple[float, str]):  # noqa: SLOT001 - a tuple with fields beside it has to have a dictionary
    """(distance, id of the answer), as GPTCache's searches give it, with what was found."""

    hit: Hit
    vector: Vector

    @property
    def similarity(self) -> float:
        """The cosine."""
        return 1.0 if self.hit.near is None else self.hit.near.similarity


class Bridge:
    """One space of a library, as the parts that GPTCache's `Cache.init` takes.

    `embed` goes in as `embedding_func`, `store` as `data_manager`, `evaluation` as `similarity_evaluation`. Tenants,
    models and prompts that must not share answers take a bridge with a `space` of their own: GPTCache's sessions keep
    nothing apart, and are refused.
    """

    def __init__(self, library: Library, *, space: str) -> None:
        self._library = library
        self.store = Store(library, space)
        self.evaluation = Similarity()

    def embed(self, data: object, **_: object) -> Embedded:
        """The vector of what GPTCache asks about. Raises CacheError for what is no text."""
        if not isinstance(data, str):
            raise CacheError(f"Only text can be looked up by its meaning, and this is {type(data).__name__}.")
        embedded = self._library.embed(data).view(Embedded)
        embedded.text = data
        return embedded

    def into(
        self,
        cache: Cache,
        *,
        pre_embedding_func: Callable[..., Any] = get_prompt,
        similarity_evaluation: SimilarityEvaluation | None = None,
        config: Config | None = None,
        **more: Any,
    ) -> None:
        """Set a cache of GPTCache's up to use ours. An evaluation or threshold of its own may refuse answers."""
        cache.init(
            pre_embedding_func=pre_embedding_func,
            embedding_func=self.embed,
            data_manager=self.store,
            similarity_evaluation=similarity_evaluation or self.evaluation,
            config=config
            or Config(similarity_threshold=0.0, disable_report=True, enable_token_counter=False),
            **more,
        )


class Store(DataManager):  # type: ignore[misc]  # GPTCache has no types
    """GPTCache's data manager over one space of a library."""

    def __init__(self, library: Library, space: str) -> None:
        self._library = library
        self._space = space

    def save(self, question: object, answer: object, embedding_data: object, **kwargs: Any) -> None:
        """Keep the answer to the question that was embedded. Raises CacheError for what is no text."""
        _refuse_session(kwargs)
        text = answer.answer if isinstance(answer, Answer) else answer
        if not isinstance(text, str):
            raise CacheError(f"Only answers of text can be kept, and this one is {type(text).__name__}.")
        vector = _embedded(embedding_data)
        self._library.save(self._space, cast("str", vector.text), {"content": text}, vector=_plain(vector))

    def import_data(
        self,
        questions: Sequence[object],
        answers: Sequence[object],
        embedding_datas: Sequence[object],
        session_ids: Sequence[str | None],
    ) -> None:
        """Keep many answers; each is compared with those before it."""
        for question, answer, vector, session in zip(
            questions, answers, embedding_datas, session_ids, strict=True
        ):
            self.save(question, answer, vector, session=session)

    def search(self, embedding_data: object, **_: object) -> list[Found]:
        """What the rule gives for the question that was embedded: one answer, or none."""
        vector = _embedded(embedding_data)
        hit = self._library.find(self._space, cast("str", vector.text), vector=_plain(vector))
        if hit is None:
            return []
        near = hit.near
        found = Found((0.0 if near is None else max(0.0, 2.0 - 2.0 * near.similarity), hit.kept.id))
        found.hit = hit
        found.vector = _plain(vector) if near is None else near.member.vector
        return [found]

    def get_scalar_data(self, res_data: Found, **kwargs: Any) -> CacheData:
        """What was found, in GPTCache's form."""
        _refuse_session(kwargs)
        kept, near = res_data.hit.kept, res_data.hit.near
        return CacheData(
            question=kept.asked if near is None else near.member.text,
            answers=[Answer(kept.message["content"])],
            embedding_data=res_data.vector,
            create_on=datetime.fromtimestamp(kept.created, UTC),
        )

    def add_session(self, res_data: object, session_id: object, pre_embedding_data: object) -> None:
        """Refused. Raises CacheError."""
        _refuse_session({"session": session_id})

    def list_sessions(self, session_id: object = None, key: object = None) -> list[str]:
        """There are none."""
        return []

    def delete_session(self, session_id: object) -> None:
        """Refused. Raises CacheError."""
        _refuse_session({"session": session_id})

    def close(self) -> None:
        """Nothing is open."""


class Similarity(SimilarityEvaluation):  # type: ignore[misc]  # GPTCache has no types
    """The cosine of what the rule gave, so that a threshold of GPTCache's is one on the cosine."""

    def evaluation(self, src_dict: dict[str, Any], cache_dict: dict[str, Any], **_: object) -> float:
        """The cosine; 0 for what does not come from our store."""
        found = cache_dict.get("search_result")
        return found.similarity if isinstance(found, Found) else 0.0

    def range(self) -> tuple[float, float]:
        """From no likeness to the same."""
        return 0.0, 1.0


def _embedded(vector: object) -> Embedded:
    if not isinstance(vector, Embedded) or vector.text is None:
        raise CacheError(
            "The words of the question are needed beside its vector: give `Bridge.embed` as embedding_func, and your "
            "own function to `Library(embed=...)`."
        )
    return vector


def _plain(vector: Embedded) -> Vector:
    return vector.view(np.ndarray)


def _refuse_session(given: dict[str, Any]) -> None:
    if given.get("session") is not None:
        raise CacheError(
            "GPTCache's sessions keep nothing apart. Make a Bridge with a `space` of its own for whoever must not share."
        )
