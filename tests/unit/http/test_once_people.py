"""`Idempotency-Key` and people: no answer of somebody whose data is restricted or erased is given again."""

from __future__ import annotations

import asyncio

from passerelle.domain.privacy import Subject
from passerelle.idempotency.people import Repeats
from passerelle.idempotency.store import AnswerStore
from passerelle.stores.database import Database
from passerelle.subjects.people import People
from passerelle.subjects.pseudonyms import Pseudonyms
from passerelle.subjects.restrictions import Restrictions
from tests.unit.http.test_once import Counting, Site, front_of, running


async def test_of_a_restricted_or_erased_person_no_answer_is_given_again(database: Database) -> None:
    pseudonyms, restrictions = Pseudonyms(b"p" * 32), Restrictions(database)
    ana = Subject("acme", "", pseudonyms.of("acme", "ana"))
    people, store, app = People(pseudonyms, restrictions), AnswerStore(database), Counting()
    async with running(front_of(app, store, people)) as url:
        site, body = Site(app, [url], [store]), b'{"user":"ana"}'
        await site.post(body)
        await site.post(b'{"user":"bob"}', key="k2")
        await restrictions.restrict("acme", ana.pseudonym)
        assert (await site.post(body)).code == "subject_restricted"
        assert (await site.post(body, caller="globex")).status == 200, "another tenant's ana"
        await restrictions.lift("acme", ana.pseudonym)
        assert (await site.post(body)).replayed

        assert (await Repeats(database).find(ana)).total == 1
        assert (await Repeats(database).erase(ana)).total == 1
        assert not (await site.post(body)).replayed
        assert (await site.post(b'{"user":"bob"}', key="k2")).replayed
    await store.aclose()


async def test_an_answer_about_a_person_that_is_just_being_given_is_waited_for(database: Database) -> None:
    pseudonyms = Pseudonyms(b"p" * 32)
    ana = Subject("acme", "", pseudonyms.of("acme", "ana"))
    store, app = AnswerStore(database), Counting(go=asyncio.Event())
    app.go.clear()
    async with running(front_of(app, store, People(pseudonyms))) as url:
        site = Site(app, [url], [store])
        asking = asyncio.ensure_future(site.post(b'{"user":"ana"}'))
        await site.until_runs(1)
        assert (await Repeats(database).erase(ana)).total == 0
        assert (await Repeats(database).find(ana)).total == 1, "so that the erasure is not over"
        app.go.set()
        await asking
        assert (await Repeats(database).erase(ana)).total == 1
    await store.aclose()
