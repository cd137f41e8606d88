//! Bodies that cannot be kept whole: too long, ended early, without room, cut by a crash.

use super::*;

#[tokio::test]
async fn what_is_too_long_is_cut_off_and_the_record_says_so() {
    let (upstream, gateway) = bench(json!({"payload": "sealed", "payload_bytes": "4KiB"})).await;
    says(&upstream, &"answer ".repeat(2000));
    let ask = gateway.chat("m", &"prompt ".repeat(2000));
    let sent = ask.body.clone();
    let reply = ask.send().await;
    let closing = gateway.record(&reply).await;
    let opening = opening(&gateway, &reply);
    for (body, whole) in [
        (&opening["request_body"], sent.len()),
        (&closing["reply_body"], reply.body.len()),
    ] {
        assert_eq!(body["truncated"], true, "{body}");
        assert_eq!(
            (&body["size"], &body["whole"]),
            (&json!(4096), &json!(whole))
        );
    }
    let kept = unsealed(gateway.dir.path(), &id_of(&reply), &[]);
    assert_eq!(
        kept["request"]["text"],
        &*String::from_utf8_lossy(&sent[..4096])
    );
}

/// Refused, failed, cut, left: the record holds what there was.
#[tokio::test]
async fn every_way_to_end_keeps_what_there_was() {
    let upstream = Scripted::start().await;
    let mut config = config(&upstream, json!({"payload": "sealed"}));
    config.set(
        "policies",
        json!({"rules": [{"name": "no-cards", "find": ["SECRET"], "remedy": "refuse"}]}),
    );
    let gateway = Gateway::start(&config).await;
    let dir = gateway.dir.path();
    let mut planter = planted::Planter::new(0x91);
    // Refused before any upstream: the one record bears the prompt.
    let ask = gateway.chat("m", &format!("key {}", planter.access_key()));
    let sent = String::from_utf8(ask.body.clone()).unwrap();
    let reply = ask.send().await;
    assert_eq!(reply.status, 403, "{}", reply.text());
    let denial = gateway.record(&reply).await;
    assert_eq!(denial["verdict"], "refuse");
    assert_eq!(unsealed(dir, &id_of(&reply), &[])["request"]["text"], sent);
    // The upstream fails: what the client gets is kept.
    let failing = gateway.chat("m", "x").send().await;
    upstream.stream(vec![delta(0, &json!({"content": "half"})).into()], 0);
    let cut = gateway.stream("m", "x").send().await;
    for reply in [&failing, &cut] {
        let closing = gateway.record(reply).await;
        assert_eq!(closing["outcome"], "upstream_error", "{closing}");
        let kept = unsealed(dir, &id_of(reply), &[]);
        assert_eq!(kept["reply"]["text"], reply.text());
    }
    // The client leaves: what it was sent is kept.
    upstream.hanging(
        vec![delta(0, &json!({"content": "before it left"})).into()],
        0,
    );
    let mut live = gateway.stream("m", "x").open().await;
    let id = live.headers["x-request-id"].to_str().unwrap().to_owned();
    live.until("before it left").await;
    live.leave();
    let mut closing = None;
    until("a closing", || {
        closing = gateway.journal().ending(&id);
        closing.is_some()
    })
    .await;
    assert_eq!(closing.unwrap()["outcome"], "client_closed");
    let kept = unsealed(dir, &id, &[]);
    assert!(
        kept["reply"]["text"]
            .as_str()
            .unwrap()
            .contains("before it left")
    );
    assert_nowhere(&audit_dir(&gateway), &["before it left", "half"]);
    gateway.assert_sound();
}

/// A disk that takes no more: prompts and replies are dropped, the records go on and say so.
#[tokio::test]
async fn without_room_payloads_are_dropped_and_requests_go_on() {
    let upstream = Scripted::start().await;
    let noise: String = (0..40_000_u32)
        .map(|n| char::from(b'a' + (n.wrapping_mul(2_654_435_761) >> 27) as u8 % 26))
        .collect();
    says(&upstream, &noise);
    let audit = json!({"payload": "sealed", "segment_bytes": "8MiB", "reserve_bytes": "64KiB"});
    let text = config(&upstream, audit).text();
    let gateway = Launch::new(text).file_blocks(1200).start().await;
    let mut dropped = None;
    for _ in 0..200 {
        let reply = gateway.chat("m", &noise).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let closing = gateway.record(&reply).await;
        if closing["reply_body"].get("dropped").is_some() {
            dropped = Some(closing["reply_body"].clone());
            break;
        }
    }
    let dropped = dropped.expect("files may not grow");
    assert_eq!(dropped["dropped"], "disk");
    assert!(dropped["whole"].as_u64().unwrap() > 40_000);
    let metrics = gateway.admin("/metrics").await.text();
    assert!(!metrics.contains("yumen_audit_payloads_dropped_total 0\n"));
}

#[tokio::test]
async fn kill_9_leaves_no_reference_without_its_body() {
    let upstream = Scripted::start().await;
    let text = config(&upstream, json!({"payload": "sealed"})).text();
    let dir = Arc::new(tempfile::TempDir::new().unwrap());
    for round in 0..4 {
        let events: Vec<String> = (0..30)
            .map(|at| delta(0, &json!({"content": format!("{round}-{at} ")})))
            .collect();
        upstream.events(&events, 1);
        let gateway = Launch::new(text.clone())
            .dir(Arc::clone(&dir))
            .start()
            .await;
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let ask = gateway.stream("m", "killed");
            running.spawn(async move {
                for _ in 0..100 {
                    let Some(mut session) = Session::to_or_none(ask.address()).await else {
                        return;
                    };
                    let Ok(live) = session.open_or_end(ask.clone()).await else {
                        return;
                    };
                    live.rest().await;
                }
            });
        }
        let begun = gateway.journal().of("opened").count();
        until("some requests", || {
            gateway.journal().of("closed").count() > begun + 4 + round
        })
        .await;
        gateway.signal("KILL");
        gateway.exited().await;
        running.join_all().await;
    }
    // One more start, so that what was left open is closed.
    drop(Launch::new(text).dir(Arc::clone(&dir)).start().await);
    let journal = tests::journal::Journal::read(&dir.path().join("audit"));
    journal.assert_balanced();
    let ids: Vec<&str> = journal
        .of("opened")
        .map(|opening| opening.text("id"))
        .collect();
    assert!(ids.len() > 20);
    let mut replies = 0;
    for id in ids {
        let kept = unsealed(dir.path(), id, &[]);
        assert!(
            kept["request"]["text"].as_str().unwrap().contains("killed"),
            "{kept}"
        );
        if let Some(reply) = kept.get("reply") {
            assert!(
                reply["text"].as_str().unwrap().ends_with("[DONE]\n\n"),
                "{kept}"
            );
            replies += 1;
        }
    }
    assert!(replies > 4);
}
