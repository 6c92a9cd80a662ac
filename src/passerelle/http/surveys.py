"""`/v1/surveys`: all its routes, those with a word of their own before those with a survey's id in its place."""

from __future__ import annotations

from fastapi import APIRouter

from passerelle.http import surveys_codebooks, surveys_files, surveys_report, surveys_runs

router = APIRouter()

for _room in (surveys_codebooks, surveys_files, surveys_runs, surveys_report):
    router.include_router(_room.router)
