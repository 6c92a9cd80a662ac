"""What a flaw is called, in a sentence: for the model that repairs it, and for whoever looks at it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

QUOTED = 6  # words in question that a sentence quotes

_FRENCH: Mapping[str, str] = {
    "numbers.lost": "Ces nombres du texte source manquent : {words}. Reprenez-les tels quels.",
    "numbers.invented": "Ces nombres ne figurent pas dans le texte source : {words}. Supprimez-les ou reprenez ceux de la source.",
    "dates.lost": "Ces dates du texte source manquent : {words}. Reprenez-les telles quelles.",
    "dates.invented": "Ces dates ne figurent pas dans le texte source : {words}. Reprenez celles de la source.",
    "units.changed": "L’unité de ces valeurs n’est pas celle du texte source : {words}. Reprenez l’unité de la source.",
    "urls.lost": "Ces adresses du texte source manquent : {words}. Reprenez-les à l’identique.",
    "urls.invented": "Ces adresses ne figurent pas dans le texte source : {words}. Supprimez-les.",
    "names.lost": "Ces noms du texte source manquent : {words}. Reprenez-les tels quels.",
    "names.lost_brand": "Ces noms s’écrivent toujours ainsi et manquent : {words}. Reprenez-les exactement.",
    "names.invented": "Ces noms ne figurent pas dans le texte source : {words}. Supprimez-les.",
    "glossary.missing": "Le glossaire impose ces termes, dont parle le texte source : {words}. Employez-les.",
    "glossary.forbidden": "Le glossaire exclut ces formes : {words}. Employez à la place : {use}.",
    "banned.found": "Ces mots sont bannis : {words}. Reformulez sans eux.",
    "structure.headings": "Les titres ne suivent pas la source : niveaux attendus {wanted}, trouvés {found}. Gardez les mêmes titres, dans le même ordre.",
    "structure.images_lost": "Ces images de la source manquent : {words}. Remettez-les à leur place.",
    "structure.images_invented": "Ces images ne figurent pas dans la source : {words}. Supprimez-les.",
    "structure.placeholders_lost": "Ces champs à remplir de la source manquent : {words}. Reprenez-les à l’identique.",
    "structure.placeholders_invented": "Ces champs à remplir ne figurent pas dans la source : {words}. Supprimez-les.",
    "structure.code": "Les blocs de code ne sont pas ceux de la source. Reprenez-les sans y rien changer.",
    "structure.spans": "Ces extraits de code de la source manquent : {words}. Reprenez-les à l’identique.",
    "structure.tables": "Les tableaux ne sont pas ceux de la source : lignes et colonnes attendues {wanted}, trouvées {found}.",
    "structure.items": "La source a {wanted} éléments de liste, le texte écrit {found} : vérifiez qu’il n’en manque pas.",
    "structure.tags": "Le HTML n’est pas équilibré : {words}. Fermez chaque balise que vous ouvrez.",
    "structure.unsafe": "Ce HTML n’a pas sa place dans un texte : {words}. Supprimez-le.",
    "structure.markup": "Le texte source est sans mise en forme ; supprimez ces marques : {words}.",
    "language.wrong": "Ce texte doit être en {wanted} ; il est en {found}. Écrivez-le en {wanted}.",
    "language.left": "Ce passage est resté en {found} : {words}. Écrivez-le en {wanted}.",
    "address.tu": "Le lecteur se tutoie ; or on lit : {words}. Écrivez « tu ».",
    "address.vous": "Le lecteur se vouvoie ; or on lit : {words}. Écrivez « vous ».",
    "address.mixed": "Le texte mêle tutoiement et vouvoiement : {words}. Choisissez l’un des deux.",
    "length.short": "Le texte est trop court : {found} caractères, au moins {wanted} attendus. Gardez tout ce que dit la source.",
    "length.long": "Le texte est trop long : {found} caractères, au plus {wanted} attendus. Resserrez-le.",
    "length.words_few": "Le résumé est trop court : {found} mots, au moins {wanted} attendus.",
    "length.words_many": "Le résumé est trop long : {found} mots, au plus {wanted} attendus.",
    "length.copied": "Le résumé est aussi long que le texte : dites-en l’essentiel en moins de mots.",
    "seo.long": "Ce champ est trop long : {found} caractères, au plus {wanted} attendus. Raccourcissez-le.",
    "seo.slug": "L’identifiant d’URL ne doit contenir que des lettres minuscules sans accent, des chiffres et des traits d’union, par exemple « {wanted} ».",
    "seo.slug_long": "L’identifiant d’URL est trop long : {found} caractères, au plus {wanted} attendus. Raccourcissez-le.",
    "seo.same": "Le titre et la description sont identiques. Écrivez une description qui complète le titre.",
    "seo.lines": "Ce champ doit tenir sur une ligne, sans mise en forme.",
    "taxonomy.unknown": "Ces valeurs ne sont pas dans la liste permise : {words}. Choisissez parmi : {wanted}.",
    "taxonomy.few": "Trop peu d’étiquettes : {found}, au moins {wanted} attendues.",
    "taxonomy.many": "Trop d’étiquettes : {found}, au plus {wanted} attendues. Gardez les plus justes.",
    "taxonomy.twice": "Ces étiquettes figurent deux fois : {words}. Gardez chacune une seule fois.",
    "empty.missing": "Ce champ est vide. Remplissez-le.",
}
_ENGLISH: Mapping[str, str] = {
    "numbers.lost": "These numbers of the source are missing: {words}. Keep them as they are.",
    "numbers.invented": "These numbers are not in the source: {words}. Remove them or use those of the source.",
    "dates.lost": "These dates of the source are missing: {words}. Keep them as they are.",
    "dates.invented": "These dates are not in the source: {words}. Use those of the source.",
    "units.changed": "The unit of these values is not that of the source: {words}. Use the unit of the source.",
    "urls.lost": "These addresses of the source are missing: {words}. Keep them exactly.",
    "urls.invented": "These addresses are not in the source: {words}. Remove them.",
    "names.lost": "These names of the source are missing: {words}. Keep them as they are.",
    "names.lost_brand": "These names are always written like this and are missing: {words}. Keep them exactly.",
    "names.invented": "These names are not in the source: {words}. Remove them.",
    "glossary.missing": "The glossary requires these terms, which the source speaks of: {words}. Use them.",
    "glossary.forbidden": "The glossary excludes these forms: {words}. Use instead: {use}.",
    "banned.found": "These words are banned: {words}. Rephrase without them.",
    "structure.headings": "The headings do not follow the source: levels expected {wanted}, found {found}. Keep the same headings in the same order.",
    "structure.images_lost": "These images of the source are missing: {words}. Put them back in their place.",
    "structure.images_invented": "These images are not in the source: {words}. Remove them.",
    "structure.placeholders_lost": "These placeholders of the source are missing: {words}. Keep them exactly.",
    "structure.placeholders_invented": "These placeholders are not in the source: {words}. Remove them.",
    "structure.code": "The code blocks are not those of the source. Keep them without any change.",
    "structure.spans": "These pieces of code of the source are missing: {words}. Keep them exactly.",
    "structure.tables": "The tables are not those of the source: rows and columns expected {wanted}, found {found}.",
    "structure.items": "The source has {wanted} list items, the new text {found}: make sure that none is missing.",
    "structure.tags": "The HTML is not balanced: {words}. Close every tag that you open.",
    "structure.unsafe": "This HTML has no place in a text: {words}. Remove it.",
    "structure.markup": "The source is plain text; remove these marks: {words}.",
    "language.wrong": "This text has to be in {wanted}; it is in {found}. Write it in {wanted}.",
    "language.left": "This passage was left in {found}: {words}. Write it in {wanted}.",
    "address.tu": "The reader is addressed as “tu”, but this was found: {words}. Write “tu”.",
    "address.vous": "The reader is addressed as “vous”, but this was found: {words}. Write “vous”.",
    "address.mixed": "The text mixes “tu” and “vous”: {words}. Choose one of them.",
    "length.short": "The text is too short: {found} characters, at least {wanted} expected. Keep everything the source says.",
    "length.long": "The text is too long: {found} characters, at most {wanted} expected. Tighten it.",
    "length.words_few": "The summary is too short: {found} words, at least {wanted} expected.",
    "length.words_many": "The summary is too long: {found} words, at most {wanted} expected.",
    "length.copied": "The summary is as long as the text: say the essential in fewer words.",
    "seo.long": "This field is too long: {found} characters, at most {wanted} expected. Shorten it.",
    "seo.slug": "The slug may only hold lowercase letters without accents, digits and hyphens, for example “{wanted}”.",
    "seo.slug_long": "The slug is too long: {found} characters, at most {wanted} expected. Shorten it.",
    "seo.same": "The title and the description are the same. Write a description that adds to the title.",
    "seo.lines": "This field has to be on one line, without markup.",
    "taxonomy.unknown": "These values are not in the list that is allowed: {words}. Choose from: {wanted}.",
    "taxonomy.few": "Too few tags: {found}, at least {wanted} expected.",
    "taxonomy.many": "Too many tags: {found}, at most {wanted} expected. Keep the most accurate ones.",
    "taxonomy.twice": "These tags are there twice: {words}. Keep each of them once.",
    "empty.missing": "This field is empty. Fill it in.",
}
SENTENCES: Mapping[str, Mapping[str, str]] = {"fr": _FRENCH, "en": _ENGLISH}

_LANGUAGES: Mapping[str, Mapping[str, str]] = {
    "fr": {"fr": "français", "en": "anglais", "de": "allemand", "es": "espagnol", "it": "italien", "pt": "portugais", "nl": "néerlandais"},
    "en": {"fr": "French", "en": "English", "de": "German", "es": "Spanish", "it": "Italian", "pt": "Portuguese", "nl": "Dutch"},
}  # fmt: skip


def sentence(language: str, key: str, words: Iterable[str] = (), **values: object) -> str:
    """The sentence of a key; any language but French is spoken to in English."""
    known = "fr" if language.startswith("fr") else "en"
    quoted = [quote(known, word) for word in words]
    if len(quoted) > QUOTED:
        quoted = [*quoted[:QUOTED], "…"]
    said = {name: str(value) for name, value in values.items()}
    return SENTENCES[known][key].format(words=", ".join(quoted), **said)


def quote(language: str, word: str) -> str:
    """Words of a text between the quotation marks of the language, shortened where they are many."""
    word = " ".join(word.split())
    word = word if len(word) <= 80 else f"{word[:79]}…"
    return f"« {word} »" if language.startswith("fr") else f"“{word}”"


def tongue(language: str, code: str) -> str:
    """What a language is called."""
    return _LANGUAGES["fr" if language.startswith("fr") else "en"].get(code, code)
