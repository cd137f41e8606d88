"""`client.moderations`, answered by the gateway's own detectors: the SDK's types ask for all of OpenAI's categories."""

import openai
import pytest
from upstreams import UPSTREAMS

NUMBER = "11010519491231002X"


@pytest.fixture
def gateway(gateways):
    """No upstream is asked, so one gateway will do."""
    return gateways(UPSTREAMS[0])


def test_a_string(client):
    reply = client.moderations.create(input=f"身份证号 {NUMBER}", model="omni-moderation-latest")
    assert reply.id.startswith("modr-") and reply.model
    (result,) = reply.results
    assert result.flagged
    assert result.categories.hate is False and result.categories.self_harm_instructions is False
    assert result.category_scores.violence_graphic == 0.0
    assert result.category_applied_input_types.sexual_minors == ["text"]
    found = {name for name, flagged in result.categories.model_extra.items() if flagged}
    assert found == {"CN_ID_CARD"}
    assert result.category_scores.model_extra["CN_ID_CARD"] > 0.5
    assert NUMBER not in reply.model_dump_json()


def test_a_list_and_parts(client):
    reply = client.moderations.create(input=["hello", f"id {NUMBER}"])
    assert [result.flagged for result in reply.results] == [False, True]
    reply = client.moderations.create(
        input=[
            {"type": "text", "text": "what is on it?"},
            {"type": "image_url", "image_url": {"url": "https://images.example/cat.png"}},
        ]
    )
    (result,) = reply.results
    assert result.flagged is False


def test_odd_input(client):
    with pytest.raises(openai.BadRequestError) as failed:
        client.moderations.create(input=[])
    assert failed.value.code == "invalid_request" and failed.value.param == "input"
