//! What a reply loop has been doing, made from its events. Holds sentences of ours only: nothing that
//! a contact, a guest or a reply engine has said.

use serde::{Deserialize, Serialize};

use super::moment::Moment;
use crate::serve::event::{ServeEvent, WaitingFor};

/// Incidents kept, the oldest go first.
const KEPT: usize = 10;

/// Counters and times of one loop.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Answers under way.
    #[serde(default)]
    pub active_runs: usize,
    /// Failures since something worked.
    #[serde(default)]
    pub consecutive_failures: u32,
    pub last_run_activity_at: Option<Moment>,
    pub last_failure_at: Option<Moment>,
    pub last_recovery_at: Option<Moment>,
    /// None as soon as the loop has recovered.
    pub last_error: Option<String>,
    #[serde(default)]
    pub recent_incidents: Vec<Incident>,
    /// What does not work at the moment.
    #[serde(skip)]
    down: Vec<WaitingFor>,
}

/// Something worth knowing afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    pub at_ms: Moment,
    pub kind: IncidentKind,
    pub detail: Option<String>,
    /// The processes it was about, when there are such.
    #[serde(default)]
    pub owner_pids: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentKind {
    Failure,
    Recovery,
    DuplicateReclaim,
}

impl Activity {
    /// Takes note of what happened at `now`; false when it changes nothing.
    pub fn note(&mut self, event: &ServeEvent, now: Moment) -> bool {
        match event {
            ServeEvent::Connected | ServeEvent::MessageIn { .. } => {
                self.last_run_activity_at = Some(now)
            }
            ServeEvent::AnswerOut { .. } | ServeEvent::NoReply { .. } => {
                self.last_run_activity_at = Some(now);
                self.works(now);
            }
            ServeEvent::AttemptFailed { .. } => self.failed("an answer failed", true, now),
            ServeEvent::ReplyRefused { .. } => self.failed("a reply was refused", true, now),
            ServeEvent::Unreadable { .. } => self.failed("a message cannot be read", true, now),
            ServeEvent::Waiting { for_what, .. } => {
                self.down.push(*for_what);
                self.failed(fault(*for_what), true, now);
            }
            // Every try counts; the incident is known.
            ServeEvent::StillWaiting { for_what } => self.failed(fault(*for_what), false, now),
            ServeEvent::Recovered { from } => {
                self.down.retain(|what| what != from);
                self.works(now);
            }
            ServeEvent::UnderWay { answers } => {
                self.active_runs = *answers;
                self.last_run_activity_at = Some(now);
            }
            ServeEvent::Stopping { under_way } => self.active_runs = *under_way,
            ServeEvent::NoHistory { .. } => return false,
        }
        true
    }

    fn failed(&mut self, error: &str, is_news: bool, now: Moment) {
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        self.last_failure_at = Some(now);
        self.last_error = Some(error.to_owned());
        if is_news {
            self.remember(IncidentKind::Failure, error.to_owned(), now);
        }
    }

    fn works(&mut self, now: Moment) {
        if self.consecutive_failures == 0 || !self.down.is_empty() {
            return;
        }
        let words = match self.consecutive_failures {
            1 => "recovered after 1 failure".to_owned(),
            count => format!("recovered after {count} failures"),
        };
        self.consecutive_failures = 0;
        self.last_error = None;
        self.last_recovery_at = Some(now);
        self.remember(IncidentKind::Recovery, words, now);
    }

    fn remember(&mut self, kind: IncidentKind, detail: String, now: Moment) {
        self.recent_incidents.push(Incident {
            at_ms: now,
            kind,
            detail: Some(detail),
            owner_pids: Vec::new(),
        });
        newest(&mut self.recent_incidents);
    }
}

/// Leaves the newest incidents, in the order in which they happened.
pub(super) fn newest(incidents: &mut Vec<Incident>) {
    incidents.sort_by_key(|incident| incident.at_ms);
    let surplus = incidents.len().saturating_sub(KEPT);
    incidents.drain(..surplus);
}

fn fault(what: WaitingFor) -> &'static str {
    match what {
        WaitingFor::Bridge => "the bridge does not answer",
        WaitingFor::Messages => "the bridge cannot hand out messages",
        WaitingFor::Sending => "the bridge cannot send",
        WaitingFor::Engine => "the reply engine is down",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::bindings::DeliveryStatus;
    use crate::serve::event::ChatRef;

    const THEN: Moment = Moment(1_700_000_000_000);

    fn waiting(for_what: WaitingFor) -> ServeEvent {
        ServeEvent::Waiting {
            for_what,
            reason: "+15550100 said: secret".to_owned(),
            hint: String::new(),
        }
    }

    fn answered() -> ServeEvent {
        ServeEvent::AnswerOut {
            chat: ChatRef::of("a"),
            cursor: "m".to_owned(),
            status: DeliveryStatus::Sent,
        }
    }

    fn failed() -> ServeEvent {
        ServeEvent::AttemptFailed {
            chat: ChatRef::of("a"),
            cursor: "m".to_owned(),
            attempt: 1,
            reason: "+15550100 said: secret".to_owned(),
        }
    }

    fn at(seconds: u64) -> Moment {
        Moment(THEN.0 + seconds * 1_000)
    }

    #[test]
    fn failures_are_counted_until_something_works_again() {
        let mut activity = Activity::default();
        activity.note(&waiting(WaitingFor::Bridge), at(0));
        for second in 1..4 {
            let still = ServeEvent::StillWaiting {
                for_what: WaitingFor::Bridge,
            };
            activity.note(&still, at(second));
        }
        assert_eq!(activity.consecutive_failures, 4);
        assert_eq!(activity.last_failure_at, Some(at(3)));
        assert_eq!(
            activity.last_error.as_deref(),
            Some("the bridge does not answer")
        );
        let recovered = ServeEvent::Recovered {
            from: WaitingFor::Bridge,
        };
        activity.note(&recovered, at(5));
        assert_eq!(activity.consecutive_failures, 0);
        assert_eq!(activity.last_error, None);
        assert_eq!(activity.last_recovery_at, Some(at(5)));
        let told: Vec<_> = activity
            .recent_incidents
            .iter()
            .map(|incident| (incident.kind, incident.detail.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                (IncidentKind::Failure, Some("the bridge does not answer")),
                (IncidentKind::Recovery, Some("recovered after 4 failures")),
            ]
        );
    }

    #[test]
    fn one_chat_that_works_does_not_hide_a_bridge_that_cannot_send() {
        let mut activity = Activity::default();
        activity.note(&waiting(WaitingFor::Sending), at(0));
        let nothing_to_say = ServeEvent::NoReply {
            chat: ChatRef::of("b"),
            cursor: "m".to_owned(),
        };
        activity.note(&nothing_to_say, at(1));
        assert_eq!(activity.consecutive_failures, 1);
        assert_eq!(activity.last_recovery_at, None);
    }

    #[test]
    fn an_answer_after_a_failed_one_is_a_recovery() {
        let mut activity = Activity::default();
        activity.note(&failed(), at(0));
        activity.note(&answered(), at(1));
        assert_eq!(activity.consecutive_failures, 0);
        assert_eq!(activity.last_recovery_at, Some(at(1)));
        activity.note(&answered(), at(2));
        assert_eq!(activity.last_recovery_at, Some(at(1)));
        assert_eq!(activity.last_run_activity_at, Some(at(2)));
    }

    #[test]
    fn the_answers_under_way_are_those_of_the_last_word() {
        let mut activity = Activity::default();
        for answers in [1, 3, 2] {
            assert!(activity.note(&ServeEvent::UnderWay { answers }, THEN));
        }
        assert_eq!(activity.active_runs, 2);
        let no_history = ServeEvent::NoHistory {
            reason: String::new(),
        };
        assert!(!activity.note(&no_history, THEN));
    }

    #[test]
    fn only_the_newest_incidents_are_kept() {
        let mut activity = Activity::default();
        for second in 0..30 {
            activity.note(&failed(), at(second));
        }
        assert_eq!(activity.recent_incidents.len(), KEPT);
        assert_eq!(activity.recent_incidents[0].at_ms, at(20));
        assert_eq!(activity.consecutive_failures, 30);
    }

    #[test]
    fn nothing_that_anybody_said_is_kept() {
        let mut activity = Activity::default();
        activity.note(&failed(), THEN);
        activity.note(&waiting(WaitingFor::Engine), THEN);
        let kept = serde_json::to_string(&activity).unwrap();
        assert!(
            !kept.contains("secret") && !kept.contains("15550100"),
            "{kept}"
        );
    }
}
