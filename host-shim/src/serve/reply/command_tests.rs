use std::time::Instant;

use super::*;

fn request() -> ReplyRequest {
    ReplyRequest {
        channel: "whatsapp-personal".to_owned(),
        account: "default".to_owned(),
        conversation: "c1".to_owned(),
        message_id: "m1".to_owned(),
        correlation_id: "k1".to_owned(),
        sender: "+15550100".to_owned(),
        sender_name: Some("Ana".to_owned()),
        is_group: false,
        text: "hello".to_owned(),
        received_at_ms: 1_700_000_000_000,
        history: Vec::new(),
    }
}

fn shell(script: &str, timeout: Duration) -> CommandEngine {
    let argv = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    CommandEngine::new(argv, timeout)
}

async fn answer(script: &str) -> Result<Option<String>, EngineError> {
    shell(script, Duration::from_secs(20))
        .reply(&request())
        .await
}

#[tokio::test]
async fn the_program_gets_one_json_object_and_its_output_is_the_reply() {
    let reply = answer("cat").await.unwrap().unwrap();
    let seen: serde_json::Value = serde_json::from_str(&reply).unwrap();
    assert_eq!(
        seen,
        json!({
            "version": 1, "channel": "whatsapp-personal", "account": "default", "conversation_id": "c1",
            "message_id": "m1", "correlation_id": "k1", "sender": "+15550100", "sender_name": "Ana", "group": false,
            "text": "hello", "received_at": 1_700_000_000_000_u64,
        })
    );
}

#[tokio::test]
async fn a_trailing_newline_is_trimmed_and_inner_lines_stay() {
    assert_eq!(
        answer("printf 'one\\ntwo\\n\\n'").await.unwrap().as_deref(),
        Some("one\ntwo")
    );
}

#[tokio::test]
async fn no_output_is_no_reply() {
    assert_eq!(answer("cat >/dev/null; echo").await, Ok(None));
    assert_eq!(answer("exit 0").await, Ok(None));
}

#[tokio::test]
async fn another_exit_status_than_0_is_a_failed_attempt() {
    let error = answer("echo half a reply; exit 7").await.unwrap_err();
    assert!(
        matches!(&error, EngineError::Failed { reason } if reason.contains('7')),
        "{error:?}"
    );
}

#[tokio::test]
async fn too_much_output_and_what_is_no_text_are_failed_attempts() {
    for script in [
        "head -c 70000 /dev/zero | tr '\\0' x",
        "printf '\\377\\376'",
    ] {
        let error = answer(script).await.unwrap_err();
        assert!(
            matches!(error, EngineError::Failed { .. }),
            "{script}: {error:?}"
        );
    }
}

#[tokio::test]
async fn when_the_time_is_up_the_program_and_its_children_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let script = format!(
        "sleep 300 & echo $! > {0}; echo $$ >> {0}; wait",
        pids.display()
    );
    let started = Instant::now();
    let error = shell(&script, Duration::from_millis(500))
        .reply(&request())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, EngineError::Failed { reason } if reason.contains("killed")),
        "{error:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(20));
    for pid in std::fs::read_to_string(&pids).unwrap().lines() {
        gone(pid).await;
    }
}

#[tokio::test]
async fn a_child_left_in_the_background_does_not_hold_the_reply_back() {
    let started = Instant::now();
    assert_eq!(
        answer("sleep 300 & echo done").await.unwrap().as_deref(),
        Some("done")
    );
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_program_that_is_not_there_takes_the_engine_down_until_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("answer");
    let engine = CommandEngine::new(vec![program.display().to_string()], Duration::from_secs(20));
    assert!(matches!(
        engine.reply(&request()).await,
        Err(EngineError::Down { .. })
    ));
    assert!(matches!(
        engine.probe().await,
        Err(EngineError::Down { .. })
    ));
    std::fs::copy("/bin/true", &program).unwrap();
    assert_eq!(engine.probe().await, Ok(()));
}

/// Waits until the process has ended: killed, it may still be waiting for its parent to notice.
async fn gone(pid: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let status = std::path::PathBuf::from(format!("/proc/{pid}/stat"));
    while std::fs::read_to_string(&status).is_ok_and(|stat| !stat.contains(") Z")) {
        assert!(Instant::now() < deadline, "process {pid} still runs");
        tokio::task::yield_now().await;
    }
}
