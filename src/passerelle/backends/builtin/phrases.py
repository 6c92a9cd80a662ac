"""What the engine says in its own words, in French and English: that it has no answer, and why."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from passerelle.text.words import Language


class Reason(Enum):
    """Why there is no answer."""

    NO_TEXT = "no text to quote from"
    NOT_FOUND = "no sentence answers"


PHRASES: Mapping[tuple[Reason, Language], str] = {
    (Reason.NO_TEXT, "en"): (
        "I have no text to answer from. This is Passerelle's built-in engine: it has no language model and "
        "only quotes sentences from a text given in the messages, and none was given. For written answers, "
        "give this model a backend with a language model (such as tgi, vllm, openai or hf-providers) in "
        "providers.yaml."
    ),
    (Reason.NO_TEXT, "fr"): (
        "Je n'ai aucun texte d'où tirer une réponse. Ceci est le moteur intégré de Passerelle : il n'a pas "
        "de modèle de langue et ne fait que citer des phrases d'un texte donné dans les messages, or aucun "
        "n'a été donné. Pour des réponses rédigées, donnez à ce modèle un backend doté d'un modèle de "
        "langue (par exemple tgi, vllm, openai ou hf-providers) dans providers.yaml."
    ),
    (Reason.NOT_FOUND, "en"): (
        "I found no sentence in the given text that answers this question. (Built-in engine without a "
        "language model: it only quotes.)"
    ),
    (Reason.NOT_FOUND, "fr"): (
        "Je n'ai trouvé dans le texte donné aucune phrase qui réponde à cette question. (Moteur intégré "
        "sans modèle de langue : il ne fait que citer.)"
    ),
}
