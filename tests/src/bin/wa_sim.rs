//! The simulator as a program, so that a person can play the phone: prints its websocket URL on
//! the first line, then what contacts receive; takes simple commands on standard input.

#![allow(
    clippy::print_stdout,
    reason = "talking to a person on standard output is what it is for"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use loong_tests::sim::{Contact, Disruption, Group, Simulator, Verdict};
use tokio::io::{AsyncBufReadExt as _, BufReader};

const HELP: &str = "\
scan <qr>                       link the client that shows this QR
code <code>                     type the pairing code that a client shows, and link it
unlink                          remove the linked device on the phone
refs <count>                    how many QR codes a connection can show
contact <name> <number>         somebody who can write and be written to
scan-as <name> <qr>             link the client that shows this QR to the contact
device <name>                   link one more device of the contact
say <name> <text>               the contact writes to the owner
group <subject> <name,name,…>   a group of the owner and these contacts
say-in <subject> <name> <text>  the contact writes in the group
phone-say <name> <text>         the owner writes to the contact, on the phone
garble <name> <count>           the contact's next messages arrive damaged
cannot-read <name> <count>      the contact's phone asks for the next messages again
judge <error 463|lost|no-ack>   what becomes of the client's next message
late <marked|plain>             how messages arrive that waited for the client
disrupt <what>                  what happens to the connection, now or at the next one
keep-disrupting <what>          the same to each new connection
slow <milliseconds>             how long answers take
heal                            nothing of this any more
drop                            cut every connection
log                             everything that passed so far
help
quit";

/// Long enough to mean for ever, short enough to add to a clock.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);

#[tokio::main]
async fn main() -> Result<()> {
    let mut table = Table::new(Simulator::start_for("Olga", "15550001000", port()?).await?);
    println!("{}", table.sim.web_url());
    println!(
        "the owner's number is {}; type help for the commands",
        table.sim.phone().number()
    );
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match table.obey(line.trim()).await {
            Ok(Some(said)) => println!("{said}"),
            Ok(None) => break,
            Err(refusal) => println!("no: {refusal:#}"),
        }
    }
    Ok(())
}

fn port() -> Result<u16> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => Ok(0),
        ["--port", port] => port
            .parse()
            .with_context(|| format!("{port:?} is no port: give 0 to 65535")),
        other => bail!(
            "cannot take {}: the only argument is --port <port>",
            other.join(" ")
        ),
    }
}

/// The people and groups of this session, by the names a person types.
struct Table {
    sim: Simulator,
    contacts: BTreeMap<String, Contact>,
    groups: BTreeMap<String, Group>,
}

impl Table {
    fn new(sim: Simulator) -> Self {
        Self {
            sim,
            contacts: BTreeMap::new(),
            groups: BTreeMap::new(),
        }
    }

    /// Does what `line` says. `None` ends the session.
    async fn obey(&mut self, line: &str) -> Result<Option<String>> {
        let (command, rest) = split(line);
        let said = match command {
            "" => String::new(),
            "help" => HELP.to_owned(),
            "quit" => return Ok(None),
            "scan" => {
                ensure!(!rest.is_empty(), "scan what? scan <qr>");
                self.sim.phone().scan(rest).await?;
                "linked; the client logs in now".to_owned()
            }
            "code" => {
                ensure!(!rest.is_empty(), "which? code <code>");
                self.sim.phone().enters_code(rest).await?;
                "linked; the client logs in now".to_owned()
            }
            "contact" => self.meet(rest)?,
            "scan-as" => {
                let (name, qr) = split(rest);
                self.contact(name)?
                    .scans(needed(qr, "scan-as <name> <qr>")?)
                    .await?;
                format!("linked to {name}; the client logs in now")
            }
            "device" => {
                let device = self.contact(rest)?.links_device()?;
                format!("{rest} has a device {device} now")
            }
            "group" => self.found(rest)?,
            "say" => {
                let (name, text) = split(rest);
                let id = self
                    .contact(name)?
                    .says(needed(text, "say <name> <text>")?)
                    .await?;
                format!("{name} said it, as {id}")
            }
            "say-in" => {
                let (subject, rest) = split(rest);
                let (name, text) = split(rest);
                let text = needed(text, "say-in <subject> <name> <text>")?;
                let id = self
                    .contact(name)?
                    .says_in(self.group(subject)?, text)
                    .await?;
                format!("{name} said it in {subject}, as {id}")
            }
            "phone-say" => {
                let (name, text) = split(rest);
                let text = needed(text, "phone-say <name> <text>")?;
                let id = self.sim.phone().says_to(self.contact(name)?, text).await?;
                format!("said on the phone, as {id}")
            }
            "drop" => {
                self.sim.drop_connections();
                "every connection is cut".to_owned()
            }
            "unlink" | "refs" | "judge" | "late" | "disrupt" | "keep-disrupting" | "slow"
            | "heal" => self.trouble(command, rest)?,
            "garble" | "cannot-read" => {
                let (name, count) = split(rest);
                let count = number(count)?;
                let contact = self.contact(name)?;
                match command {
                    "garble" => contact.garbles(count),
                    _ => contact.cannot_read(count),
                }
                format!("the next {count}")
            }
            "log" => self.sim.transcript().join("\n"),
            other => bail!("unknown command {other}: type help"),
        };
        Ok(Some(said))
    }

    /// What a person can make go wrong.
    fn trouble(&self, command: &str, rest: &str) -> Result<String> {
        let sim = &self.sim;
        Ok(match command {
            "unlink" => {
                sim.phone().unlinks();
                "no device is linked any more".to_owned()
            }
            "refs" => {
                let count = number(rest)?;
                sim.offer_qr_codes(count);
                format!("{count} from the next connection on")
            }
            "judge" => {
                let verdict: Verdict = rest.parse()?;
                sim.judge_next_message(verdict);
                format!("the client's next message: {rest}")
            }
            "late" => {
                let marked = match rest {
                    "marked" => true,
                    "plain" => false,
                    _ => bail!("how? late <marked|plain>"),
                };
                sim.mark_late_messages(marked);
                format!("late messages are {rest}")
            }
            "disrupt" => {
                let what: Disruption = rest.parse()?;
                sim.disrupt(what)?;
                what.to_string()
            }
            "keep-disrupting" => {
                let what: Disruption = rest.parse()?;
                sim.keep_disrupting(what);
                format!("{what}, until heal")
            }
            "slow" => {
                sim.answer_slowly(Duration::from_millis(number(rest)?));
                format!("answers take {rest} ms")
            }
            _ => {
                sim.heal();
                "all is well".to_owned()
            }
        })
    }

    /// Makes a contact and shows from now on what it receives.
    fn meet(&mut self, rest: &str) -> Result<String> {
        let (name, number) = split(rest);
        ensure!(!number.is_empty(), "who? contact <name> <number>");
        ensure!(
            !self.contacts.contains_key(name),
            "there is a {name} already"
        );
        let contact = self.sim.add_contact(name, number)?;
        ensure!(
            !self
                .contacts
                .values()
                .any(|other| other.number() == contact.number()),
            "somebody has this number already"
        );
        tokio::spawn(show(contact.clone()));
        let said = format!("{name} is {} and {}", contact.pn_jid(), contact.lid_jid());
        self.contacts.insert(name.to_owned(), contact);
        Ok(said)
    }

    fn found(&mut self, rest: &str) -> Result<String> {
        let (subject, names) = split(rest);
        let members: Result<Vec<_>> = names
            .split(',')
            .map(|name| self.contact(name.trim()))
            .collect();
        let group = self.sim.group(subject, &members?);
        let said = format!("{subject} is {}", group.jid());
        self.groups.insert(subject.to_owned(), group);
        Ok(said)
    }

    fn contact(&self, name: &str) -> Result<&Contact> {
        self.contacts
            .get(name)
            .with_context(|| format!("there is no {name:?}: make one with contact <name> <number>"))
    }

    fn group(&self, subject: &str) -> Result<&Group> {
        self.groups.get(subject).with_context(|| {
            format!("there is no group {subject:?}: make one with group <subject> <name,…>")
        })
    }
}

/// Prints what `contact` receives, for as long as the program runs.
async fn show(contact: Contact) {
    while let Ok(message) = contact.next_message(FOREVER).await {
        println!(
            "{} received in {} from {}: {}",
            contact.name(),
            message.chat,
            message.from,
            message.text
        );
    }
}

fn split(line: &str) -> (&str, &str) {
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    (first, rest.trim())
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    let number = text.trim().parse().ok();
    number.with_context(|| format!("{text:?} is no number here: give digits, such as 2"))
}

fn needed<'a>(text: &'a str, usage: &str) -> Result<&'a str> {
    ensure!(!text.is_empty(), "something is missing: {usage}");
    Ok(text)
}
