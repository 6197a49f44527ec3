//! The reply loop of `channels serve`: asks the bridge for messages through the guest, has them
//! answered, and settles each. Prints nothing; what a person should know goes out as events.

mod answer;
mod batches;
mod conditions;
mod conversations;
mod errands;
pub mod event;
pub mod history;
mod polling;
pub mod reply;
pub mod reply_loop;
pub mod runtime_state;
pub mod steps;
