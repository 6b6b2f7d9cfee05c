"""What the form of the page for practices means, where it does not show everything."""

from dataclasses import replace

from multidict import MultiDict, MultiDictProxy

from directory_service.adapters.pages.practice_form import read_profile_form
from directory_service.rules.profile import Messenger
from tests.directory_service.fhir_samples import FULL


def test_saving_the_form_leads_nobody_to_an_address_that_is_only_prepared() -> None:
    shown, prepared = Messenger("@a:praxis.example"), Messenger("@b:praxis.example", linked=False)
    stored = replace(FULL, profile=replace(FULL.profile, messengers=(shown, prepared)))
    form = {
        f"messengers.{row}.{name}": value
        for row, one in enumerate((shown, prepared, Messenger("@new:praxis.example")))
        for name, value in (("user_id", one.user_id), ("kind", "tim"), ("active", "on"))
    }
    body = read_profile_form(MultiDictProxy(MultiDict(form)), stored)
    assert [one["linked"] for one in body["messengers"]] == [True, False, True]
