"""A callback comes in, its file goes to the sink, an event goes out."""

import datetime as dt

from instances import Instance

from sinkwell import samples


def test_a_callback_becomes_a_file_under_the_key_of_the_seed(instance: Instance) -> None:
    picture = samples.png("end to end")
    token = "a1B2c3D4e5F6a7B8c9D0e1F2a3B4c5D6"

    assert instance.post(token, picture).status_code == 200
    instance.wait_drained()

    today = dt.datetime.now(dt.UTC)
    assert instance.stored() == {f"screenshots/{today:%Y/%m/%d}/{token}.png": picture}
    (delivery,) = instance.rows("deliveries")
    assert (delivery["token"], delivery["state"], delivery["attempts"]) == (token, "stored", 1)
    assert [event["type"] for event in instance.rows("events")] == [
        "callback.received",
        "file.accepted",
        "delivery.stored",
        "file.finished",
    ]


def test_a_repeated_callback_gets_the_same_answer_and_no_second_delivery(
    instance: Instance,
) -> None:
    picture = samples.png("twice")

    first, second = instance.post("token1", picture), instance.post("token1", picture)
    instance.wait_drained()

    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert len(instance.rows("deliveries")) == 1
    assert "callback.duplicate" in [event["type"] for event in instance.rows("events")]
