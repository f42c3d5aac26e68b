"""Cases from the first contact to the end: situation, place, steps, the state they end in, the error they end with.

A step reads ``STEP NAME=VALUE ... %FILE ... +SHEET @OFFICER+OFFICER``; ``wait 3d`` moves the clock; ``carry_out``
gathers and packs what was approved on the sample library. A place with ``!`` has a pack that counsel confirmed.
An empty error means that every step is taken; otherwise the last step is refused with it.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One case."""

    situation: str
    place: str
    steps: str
    state: str
    error: str = ""


MACROS = {
    "informal": "record; triage kind=informal_request classes=circulation",
    "refuse_it": "refer @custodian; refuse reason=no_paper %letter @custodian; finish @custodian",
    "look_back": "debrief minutes=30 cents=0 @custodian; notify_patron sent=2026-12-20 @custodian",
    "no_hold": "answer_hold place=false @custodian",
    "lift": "lift_hold @counsel",
    "order": "record party=lawEnforcement; triage kind=court_order; register_instrument %document +order @custodian; "
    "send_to_counsel @custodian",
    "subpoena": "record party=attorney level=private; triage kind=clerk_subpoena; "
    "register_instrument %document +subpoena @custodian; send_to_counsel @custodian",
    "good": "examine court_order=true good_cause=true specific_facts=true competent_jurisdiction=true "
    "findings_shown=0 notice_required=false advises_requester=false @counsel",
    "none": "examine court_order=false good_cause=false specific_facts=false competent_jurisdiction=false "
    "findings_shown=0 notice_required=false advises_requester=false provider=false @counsel",
    "approve_it": "approve @custodian+counsel",
    "release_it": "search %worksheet @custodian; carry_out; prepare package=$ @custodian; "
    "release package=$ witness=witnessed @custodian; finish @custodian",
    "warrant": "record; triage kind=search_warrant; begin_warrant counsel_called={called} waited=refused good_cause=true "
    "specific_facts=true competent_jurisdiction=true %document +{sheet} @{who}",
    "listed": "list_inventory %inventory +inventory @custodian; end_warrant %receipt @custodian",
    "emergency": "record; triage kind=exigent_request; open_exigent @custodian; "
    "take_officers_form fields=identity %document +scope @custodian",
    "parent": "record party=relative level=private; triage kind=guardian_request; open_guardian @custodian",
    "consent": "record party=attorney level=private; triage kind=consent; open_consent from_patron=true "
    "identity=card_and_id expires=2027-01-31 %document +scope @custodian",
}

CASES = [
    # ---- nothing on paper
    Row("an officer asks at the desk", "US-WI!", "informal; refuse_it; no_hold; close @custodian", "closed"),
    Row("a friendly visit without a request", "US-WI", "record; triage kind=no_request; close_without_request @custodian; "
        "close @custodian", "closed"),
    Row("a spouse asks by telephone", "US-CA!", "record party=relative level=private channel=phone; "
        "triage kind=informal_request; refuse_it", "afterwards"),
    Row("the press asks who read a book", "US-CA!", "record party=press level=private channel=email; "
        "triage kind=public_records_request; refuse_it", "afterwards"),
    Row("a trustee asks about a neighbour", "US-MD", "record party=governmentOfficial; triage kind=informal_request; "
        "refuse_it", "afterwards"),
    Row("staff were pressed; the case waits for the report", "US-WI", "record threat=true; triage kind=informal_request; "
        "no_hold; refuse_it; close @custodian", "afterwards", "Something is still owed"),
    Row("staff were pressed; reported", "US-WI", "record threat=true; triage kind=informal_request; no_hold; refuse_it; "
        "report_incident %letter @custodian; close @custodian", "closed"),
    Row("the desk refuses by itself", "US-WI", "informal; refer", "triaged", "an officer signs"),
    Row("no pack of law is set", "", "informal; refuse_it", "afterwards"),
    Row("a collection agency asks for titles", "US-WI!", "record party=other level=private; triage kind=collection; "
        "refer @custodian; refuse reason=policy @custodian", "referred", "only counsel can say no"),
    Row("a patron asks for their own record", "US-WI!", "record party=other level=private; triage kind=own_request; "
        "open_own_access @custodian; hand_to_subject identity=card_and_id %package @custodian", "disclosed"),
    Row("a patron's own request is not refused", "US-WI!", "record party=other level=private; triage kind=own_request; "
        "refer @custodian; refuse reason=policy @custodian", "referred", "own record is not refused"),
    # ---- subpoenas
    Row("a clerk's subpoena in a strict state is challenged and quashed", "US-CA!", "subpoena; none; "
        "challenge motion=quash @counsel; withdraw ended=quashed @counsel; lift; close @custodian", "closed"),
    Row("a clerk's subpoena in a strict state is not approved", "US-CA!", "subpoena; none; approve_it",
        "counsel_review", "There is no basis"),
    Row("a clerk's subpoena in a permissive state is not approved either", "US-CO!", "subpoena; none; approve_it",
        "counsel_review", "There is no basis"),
    Row("a clerk's subpoena in a permissive state: counsel complies", "US-CO!", "subpoena; none; "
        "comply reason=contempt_threatened %receipt @counsel; finish @custodian", "afterwards"),
    Row("a clerk's subpoena becomes a court's order", "US-CO!", "subpoena; none; challenge motion=demand_order @counsel; "
        "ruling ruling=ordered %document @counsel; register_instrument %document +order @custodian; "
        "send_to_counsel @custodian; good; approve_it", "approved"),
    Row("a subpoena is not refused at the desk", "US-CA!", "record party=attorney level=private; "
        "triage kind=attorney_subpoena; refer @custodian", "triaged", "Paper that can compel"),
    Row("a divorce lawyer's subpoena is withdrawn", "US-PA!", "record party=attorney level=private; "
        "triage kind=attorney_subpoena; register_instrument %document +civil @custodian; send_to_counsel @custodian; "
        "withdraw ended=withdrawn @counsel; lift; close @custodian", "closed"),
    Row("counsel calls a subpoena a court's order", "US-CO!", "subpoena; good", "counsel_review", "is no court's order"),
    # ---- court orders
    Row("a good order is carried out", "US-WI!", "order; good; approve_it; release_it; look_back; lift; "
        "close @custodian", "closed"),
    Row("nothing is held", "US-WI!", "record; triage kind=court_order; register_instrument %document +nobody @custodian; "
        "send_to_counsel @custodian; good; approve_it; search %worksheet @custodian; carry_out; "
        "return_nil places_not_searched=1 %letter @custodian; finish @custodian; debrief minutes=9 cents=0 @custodian; "
        "lift; close @custodian", "closed"),
    Row("a defective order is cured", "US-WI!", "order; notify_defect defects=no_docket %letter @counsel; "
        "register_instrument %document +order @custodian; send_to_counsel @custodian; cure defects=no_docket @counsel; "
        "good; approve_it", "approved"),
    Row("an open defect blocks approval", "US-WI!", "order; notify_defect defects=no_judge @counsel; "
        "register_instrument %document +order @custodian; send_to_counsel @custodian; good; approve_it",
        "counsel_review", "A defect is still open"),
    Row("another state's order", "US-WI!", "record; triage kind=court_order; "
        "register_instrument %document +foreign @custodian; send_to_counsel @custodian; examine court_order=true "
        "good_cause=true specific_facts=true competent_jurisdiction=false findings_shown=0 notice_required=false "
        "advises_requester=false @counsel; approve_it", "counsel_review", "There is no basis"),
    Row("another state's order, domesticated", "US-WI!", "record; triage kind=court_order; "
        "register_instrument %document +foreign @custodian; send_to_counsel @custodian; "
        "notify_defect defects=not_domesticated @counsel; register_instrument %document +order @custodian; "
        "send_to_counsel @custodian; cure defects=not_domesticated @counsel; good; approve_it", "approved"),
    Row("an over-broad order", "US-WI!", "record; triage kind=court_order; "
        "register_instrument %document +broad @custodian; send_to_counsel @custodian; good; approve_it",
        "counsel_review", "The scope is over-broad"),
    Row("an over-broad order is narrowed", "US-WI!", "record; triage kind=court_order; "
        "register_instrument %document +broad @custodian; send_to_counsel @custodian; challenge motion=narrow @counsel; "
        "ruling ruling=narrowed %document +scope @counsel; good; approve_it; release_it", "afterwards"),
    Row("all readers of a title", "US-WI!", "record; triage kind=court_order; "
        "register_instrument %document +readers @custodian; send_to_counsel @custodian; good; approve_it",
        "counsel_review", "The scope is over-broad"),
    Row("a finding is not shown", "US-IA!", "order; good; approve_it", "counsel_review", "A finding the statute asks for"),
    Row("counsel answers for a finding", "US-IA!", "order; examine court_order=true good_cause=true specific_facts=true "
        "competent_jurisdiction=true findings_shown=2 notice_required=false advises_requester=false "
        "reason=court_found_in_substance @counsel; approve_it", "approved"),
    Row("counsel advises the asker too", "US-WI!", "order; examine court_order=true good_cause=true specific_facts=true "
        "competent_jurisdiction=true findings_shown=0 notice_required=false advises_requester=true @counsel; approve_it",
        "approved"),
    Row("counsel has no account: signed advice", "US-WI!", "order; examine court_order=true good_cause=true "
        "specific_facts=true competent_jurisdiction=true findings_shown=0 notice_required=false advises_requester=false "
        "%advice @custodian+alternate; approve %advice @custodian+alternate", "approved"),
    Row("without counsel's advice", "US-WI!", "order; good; approve @custodian+alternate", "counsel_review",
        "Neither counsel signs it"),
    Row("one officer alone approves", "US-WI!", "order; good; approve @custodian", "counsel_review", "It is for"),
    Row("the paper runs out before release", "US-WI!", "order; good; approve_it; wait 70d; search %worksheet @custodian",
        "approved", "no longer in force"),
    Row("no witness can be reached", "US-WI!", "order; good; approve_it; search %worksheet @custodian; carry_out; "
        "prepare package=$ @custodian; release package=$ witness=paper %checkpoint @custodian+counsel; finish @custodian; look_back; "
        "lift; cosign %checkpoint @custodian; close @custodian", "closed"),
    Row("an approved order is registered anew", "US-WI!", "order; good; approve_it; register_instrument %document +order "
        "@custodian; send_to_counsel @custodian; good; carry_out", "counsel_review", "no rule permits it"),
    Row("an approved demand is narrowed", "US-WI!", "order; good; approve_it; challenge motion=narrow @counsel; "
        "ruling ruling=narrowed %document +scope @counsel; good; carry_out", "counsel_review", "no rule permits it"),
    Row("counsel lets identity out alone", "US-WI", "order; examine court_order=true good_cause=true "
        "specific_facts=true competent_jurisdiction=true findings_shown=0 notice_required=false advises_requester=false "
        "fields=identity @counsel; approve_it; search %worksheet @custodian; carry_out", "searched"),
    Row("a second hold is placed beside the first", "US-WI!", "order; confirm_hold until=2027-02-28 @custodian+counsel; "
        "confirm_hold until=2027-01-31 classes=notice +other @custodian+alternate; lift; good; approve_it", "approved"),
    Row("an officer holds once", "US-WI!", "order; place_hold @custodian; wait 20d; place_hold @alternate",
        "counsel_review", "places a hold once"),
    Row("a confirmed hold has run out", "US-WI!", "order; confirm_hold until=2026-12-02 @custodian+counsel; wait 5d; "
        "place_hold @custodian", "counsel_review"),
    Row("a paper checkpoint needs two officers", "US-WI!", "order; good; approve_it; search %worksheet @custodian; "
        "carry_out; prepare package=$ @custodian; release package=$ witness=paper %checkpoint @custodian", "prepared",
        "two officers sign the checkpoint"),
    Row("a paper checkpoint is attached", "US-WI!", "order; good; approve_it; search %worksheet @custodian; "
        "carry_out; prepare package=$ @custodian; release package=$ witness=paper @custodian+counsel", "prepared",
        "is not attached"),
    Row("the clock is set back", "US-WI!", "order; wait -1d; good", "counsel_review", "the clock went back"),
    # ---- notice
    Row("D.C.: approval before the notice", "US-DC!", "record; triage kind=court_subpoena; "
        "register_instrument %document +court_subpoena @custodian; send_to_counsel @custodian; good; approve_it",
        "counsel_review", "neither sent nor waived"),
    Row("D.C.: release while the clock runs", "US-DC!", "record; triage kind=court_subpoena; "
        "register_instrument %document +court_subpoena @custodian; send_to_counsel @custodian; good; "
        "send_notice sent=2026-11-30 %letter @custodian; approve_it; wait 8d; search %worksheet @custodian; carry_out",
        "searched", "no rule permits it"),
    Row("D.C.: after ten days", "US-DC!", "record; triage kind=court_subpoena; "
        "register_instrument %document +court_subpoena @custodian; send_to_counsel @custodian; good; "
        "send_notice sent=2026-11-30 %letter @custodian; approve_it; wait 12d; release_it; "
        "debrief minutes=9 cents=0 @custodian; lift; close @custodian", "closed"),
    Row("D.C.: a court waives the notice", "US-DC!", "record; triage kind=court_subpoena; "
        "register_instrument %document +court_subpoena @custodian; send_to_counsel @custodian; good; "
        "waive_notice %document @counsel; approve_it", "approved"),
    Row("D.C.: the notice was late", "US-DC!", "record; triage kind=court_subpoena; "
        "register_instrument %document +court_subpoena @custodian; send_to_counsel @custodian; good; wait 5d; "
        "send_notice sent=2026-12-05 %letter @custodian", "notice_clock"),
    # ---- emergencies
    Row("Illinois: an emergency, identity only", "US-IL!", "emergency; approve_it", "approved"),
    Row("Illinois: in an emergency people hand over, not Reticent", "US-IL!", "emergency; approve_it; carry_out", "approved",
        "no rule permits it"),
    Row("Illinois: an emergency asks for titles", "US-IL!", "record; triage kind=exigent_request; open_exigent @custodian; "
        "take_officers_form fields=surveillance %document +scope @custodian", "exigent_review", "opens identity only"),
    Row("Illinois: nobody confirmed the pack", "US-IL", "emergency; approve_it", "exigent_review",
        "only through a pack that counsel confirmed"),
    Row("Illinois: nobody confirmed the pack, counsel takes it on", "US-IL", "emergency; "
        "disclose_by_duty reason=statute_commands %receipt @counsel; finish @custodian; debrief minutes=9 cents=0 @custodian; "
        "no_hold; close @custodian", "afterwards", "Something is still owed"),
    Row("Illinois: counsel reviews the emergency afterwards", "US-IL", "emergency; "
        "disclose_by_duty reason=statute_commands %receipt @counsel; finish @custodian; debrief minutes=9 cents=0 @custodian; "
        "review_emergency @counsel; no_hold; close @custodian", "closed"),
    Row("California: there is no emergency clause", "US-CA!", "record; triage kind=exigent_request; "
        "open_exigent @custodian", "triaged", "no emergency clause"),
    Row("California: the emergency is refused", "US-CA!", "record; triage kind=exigent_request; refuse_it", "afterwards"),
    # ---- parents
    Row("Wisconsin: a parent of a child of 12", "US-WI!", "parent; verify_relation proofs=custody_order age:12 +scope @custodian; "
        "approve_it", "approved"),
    Row("Wisconsin: to a parent people hand over, not Reticent", "US-WI!", "parent; verify_relation proofs=custody_order age:12 "
        "+scope @custodian; approve_it; carry_out", "approved", "no rule permits it"),
    Row("Wisconsin: a parent of a child of 17", "US-WI!", "parent; verify_relation proofs=custody_order age:17 +scope @custodian; "
        "approve_it", "guardian_review", "The law forbids it"),
    Row("Wisconsin: the relation is not shown", "US-WI!", "parent; verify_relation proofs= +scope @custodian",
        "guardian_review", "The relation was not shown"),
    Row("Wisconsin: a year later the pack has expired", "US-WI!", "wait 400d; parent; "
        "verify_relation proofs=custody_order age:12 +scope @custodian; approve_it", "guardian_review",
        "has not expired"),
    Row("Wisconsin: a year later counsel discloses by duty", "US-WI!", "wait 400d; parent; "
        "verify_relation proofs=custody_order age:12 +scope @custodian; disclose_by_duty reason=statute_commands %receipt @counsel",
        "disclosed"),
    Row("Vermont: a statute that only allows does not loosen the policy", "US-VT!", "record party=relative level=private; "
        "triage kind=guardian_request; open_guardian @custodian", "triaged", "The law forbids it"),
    Row("Wisconsin: the camera's film of a crime is not refused at the desk", "US-WI!", "record classes=surveillance; "
        "triage kind=informal_request; refer @custodian; refuse reason=no_paper @custodian", "referred",
        "only counsel can say no"),
    Row("Wisconsin: the camera's film of a crime is a duty", "US-WI!", "record classes=surveillance; "
        "triage kind=informal_request; refer @custodian; send_to_counsel @custodian; find_exception +film @counsel; "
        "approve_it", "approved"),
    # ---- consent and vendors
    Row("consent is withdrawn", "US-WI!", "consent; approve_it; withdraw_consent @custodian; finish @custodian; "
        "close @custodian", "closed"),
    Row("consent is carried out", "US-WI!", "consent; approve_it; release_it; debrief minutes=9 cents=0 @custodian; "
        "close @custodian", "closed"),
    Row("consent is carried out within its days only", "US-WI!", "consent; approve_it; wait 70d; carry_out", "approved",
        "no rule permits it"),
    Row("withdrawn consent opens nothing", "US-WI!", "consent; approve_it; withdraw_consent @custodian; carry_out",
        "refused", "no rule permits it"),
    Row("consent one officer approved", "US-WI!", "consent; approve @custodian", "consent_review", "It is for"),
    Row("consent that speaks for two", "US-WI!", "record party=attorney level=private; triage kind=consent; open_consent "
        "from_patron=true identity=card_and_id expires=2027-01-31 %document +two @custodian", "triaged",
        "one patron's, about their own record"),
    Row("consent brought by the asker", "US-WI!", "record party=attorney level=private; triage kind=consent; open_consent "
        "from_patron=false identity=card_and_id expires=2027-01-31 %document +scope @custodian", "triaged",
        "Consent comes from the patron alone"),
    Row("consent that has run out", "US-WI!", "consent; wait 70d; approve_it", "consent_review", "no longer in force"),
    Row("a vendor tells of an order", "US-CA!", "record party=vendor level=private channel=vendor_notice; "
        "triage kind=court_order; register_instrument %document +at_vendor @custodian; send_to_counsel @custodian; good; "
        "approve_it", "approved"),
    # ---- warrants
    Row("a warrant at closing time, counsel unreachable", "US-WI!", "warrant called=unreachable sheet=warrant who=alternate; "
        "produce_under_warrant @alternate; hand_over; listed; countersign @custodian; look_back; lift; close @custodian",
        "closed"),
    Row("whoever handed over cannot countersign", "US-WI!", "warrant called=unreachable sheet=warrant who=alternate; "
        "produce_under_warrant @alternate; hand_over; listed; countersign @alternate", "afterwards",
        "cannot countersign"),
    Row("the countersignature is late", "US-WI!", "warrant called=unreachable sheet=warrant who=custodian; "
        "produce_under_warrant @custodian; hand_over; listed; wait 4d; countersign @counsel", "afterwards"),
    Row("officers leave and nothing is listed", "US-WI!", "warrant called=reached sheet=warrant who=custodian; "
        "end_warrant %receipt @custodian", "warrant_execution", "is not listed"),
    Row("a gagged warrant stays open", "US-WI!", "warrant called=reached sheet=gagged who=custodian; listed; "
        "debrief minutes=1 cents=0 @custodian; lift; close @custodian", "afterwards", "Something is still owed"),
    Row("a gag that still runs has not expired", "US-WI!", "warrant called=reached sheet=gagged who=custodian; listed; "
        "unseal reason=expired @counsel", "afterwards", "has not expired"),
    Row("a gag is lifted", "US-WI!", "warrant called=reached sheet=gagged who=custodian; listed; "
        "unseal reason=lifted @counsel; look_back; lift; close @custodian", "closed"),
    Row("immigration: an agency's own warrant", "US-WI!", "record party=immigrationAgency level=federal; "
        "triage kind=administrative_warrant; no_hold; refer @custodian; refuse reason=not_compulsory @custodian",
        "refused"),
    Row("immigration: an agency's paper is no search warrant", "US-WI!", "record party=immigrationAgency level=federal; "
        "triage kind=search_warrant; begin_warrant counsel_called=reached waited=refused good_cause=true "
        "specific_facts=true competent_jurisdiction=true %document +agency @custodian", "triaged", "No judge signed it"),
    # ---- sealed
    Row("a national security letter", "US-CT!", "record party=nationalSecurityAgency level=federal; "
        "triage kind=national_security_letter; register_instrument %document +letter @custodian; "
        "send_to_counsel @custodian; none; decline reason=not_compulsory @counsel", "refused"),
    Row("a national security letter: the provider question", "US-CT!", "record party=nationalSecurityAgency level=federal; "
        "triage kind=national_security_letter; register_instrument %document +letter @custodian; "
        "send_to_counsel @custodian; examine court_order=false good_cause=false specific_facts=false "
        "competent_jurisdiction=false findings_shown=0 notice_required=false advises_requester=false @counsel",
        "counsel_review", "whether the library is a provider"),
    Row("a FISA order", "US-CT!", "record party=nationalSecurityAgency level=federal; triage kind=fisa_order; "
        "register_instrument %document +fisa @custodian; send_to_counsel @custodian; good; approve_it", "approved"),
    Row("a letter asks to preserve", "US-WI!", "record party=lawEnforcement level=federal; triage kind=preservation_letter; "
        "register_instrument %document +preserve @custodian; confirm_hold until=2027-02-28 @custodian+counsel; "
        "send_to_counsel @custodian; none; decline reason=not_compulsory @counsel; finish @custodian; close @custodian",
        "afterwards", "A hold is still in force"),
]  # fmt: skip
