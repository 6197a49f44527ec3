//! A real Chromium with nothing in it, and one page: what a person sees there and does, and what
//! the page asks for and complains of. A crate for this would add minutes to every build.

use std::ffi::OsString;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::devtools::DevTools;
use super::machine::Machine;
use super::pictured_qr;
use super::process::Running;

const FLAGS: [&str; 11] = [
    "--headless=new",
    // Its sandbox refuses to work for root, and all that it loads is ours.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // A small /dev/shm must not crash it.
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "about:blank",
];

/// What a person has set their device to.
#[derive(Debug, Clone, Copy)]
pub struct Looks {
    pub dark: bool,
    pub width: u32,
}

/// A browser with one page. Killed when dropped.
#[derive(Debug)]
pub struct Browser {
    devtools: DevTools,
    session: String,
    process: Running,
    _profile: TempDir,
}

impl Browser {
    /// Starts one, with a profile of its own.
    pub async fn start(machine: &Machine) -> Result<Self> {
        let program =
            std::env::var_os("LOONG_TEST_CHROMIUM").unwrap_or_else(|| OsString::from("chromium"));
        let profile = tempfile::tempdir()?;
        let mut folder = OsString::from("--user-data-dir=");
        folder.push(profile.path());
        let mut command = machine.command(&program);
        command.arg(folder).args(FLAGS);
        let process = Running::start("the browser", command).with_context(|| {
            format!("no browser at {}: install Chromium, or name one in LOONG_TEST_CHROMIUM; `cargo xtask test` does it by itself", program.display())
        })?;
        let line = process.says("DevTools listening on ").await?;
        let url = line.rsplit(' ').next().unwrap_or_default();
        let devtools = DevTools::connect(url).await?;
        let opened = devtools
            .call(None, "Target.createTarget", json!({"url": "about:blank"}))
            .await?;
        let attach = json!({"targetId": opened["targetId"], "flatten": true});
        let attached = devtools.call(None, "Target.attachToTarget", attach).await?;
        let session = attached["sessionId"].as_str().context("a session")?;
        let browser = Self {
            session: session.to_owned(),
            devtools,
            process,
            _profile: profile,
        };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({})).await?;
        }
        // A page without the keyboard's attention may not write to the clipboard.
        browser
            .call(
                "Emulation.setFocusEmulationEnabled",
                json!({"enabled": true}),
            )
            .await?;
        Ok(browser)
    }

    /// Opens an address and waits until the page is loaded; gives the status of the last answer.
    pub async fn goes_to(&self, url: &str) -> Result<u64> {
        let loaded = self.devtools.events("Page.loadEventFired").len();
        let gone = self.call("Page.navigate", json!({"url": url})).await?;
        if let Some(error) = gone.get("errorText") {
            bail!("the browser cannot open the page: {error}");
        }
        self.devtools
            .hears("a loaded page", |messages| {
                let events = messages
                    .iter()
                    .filter(|message| message["method"] == "Page.loadEventFired");
                (events.count() > loaded).then_some(())
            })
            .await?;
        let answers = self.devtools.events("Network.responseReceived");
        let page = answers
            .iter()
            .rfind(|answer| answer["type"] == "Document")
            .context("the page came from somewhere")?;
        page["response"]["status"].as_u64().context("a status")
    }

    /// Waits until the page shows `text`.
    pub async fn shows(&self, text: &str) -> Result<()> {
        self.comes_to(&format!(
            "document.body?.innerText.includes({})",
            json!(text)
        ))
        .await
    }

    /// Waits until an expression is true, looking at each change of the page.
    pub async fn comes_to(&self, expression: &str) -> Result<()> {
        let wait = format!(
            "new Promise((resolve) => {{
                const look = () => ({expression}) && (resolve(true), true);
                if (look()) return;
                const observer = new MutationObserver(() => look() && observer.disconnect());
                observer.observe(document, {{ subtree: true, childList: true, characterData: true, attributes: true }});
            }})"
        );
        let seen = match self.evaluates(&wait).await {
            Ok(seen) => seen,
            Err(error) => {
                let text = self.evaluates("document.body?.innerText").await;
                return Err(error.context(format!("not so: {expression}; the page shows {text:?}")));
            }
        };
        ensure!(seen == true, "{expression}: {seen}");
        Ok(())
    }

    /// The value of an expression on the page.
    pub async fn evaluates(&self, expression: &str) -> Result<Value> {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", params).await?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            bail!("{expression} failed on the page: {thrown}");
        }
        Ok(answer["result"]["value"].clone())
    }

    /// Uses the browser on another device.
    pub async fn looks(&self, looks: Looks) -> Result<()> {
        let scheme = if looks.dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", media).await?;
        let device =
            json!({"width": looks.width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", device)
            .await?;
        Ok(())
    }

    /// A picture of what is seen, as PNG.
    pub async fn pictures(&self) -> Result<Vec<u8>> {
        let answer = self.call("Page.captureScreenshot", json!({})).await?;
        let text = answer["data"].as_str().context("a picture")?;
        Ok(base64::engine::general_purpose::STANDARD.decode(text)?)
    }

    /// What a phone reads from the QR code that is seen.
    pub async fn qr(&self) -> Result<String> {
        pictured_qr::read(&self.pictures().await?)
    }

    /// Goes to a button by the keyboard, and presses it.
    pub async fn presses(&self, id: &str) -> Result<()> {
        let reached = format!(
            "(() => {{ const part = document.getElementById({0}); part.focus(); return document.activeElement === part; }})()",
            json!(id)
        );
        ensure!(
            self.evaluates(&reached).await? == true,
            "{id} cannot be reached by the keyboard"
        );
        for kind in ["keyDown", "keyUp"] {
            let key = json!({"type": kind, "key": "Enter", "code": "Enter", "text": "\r", "windowsVirtualKeyCode": 13});
            self.call("Input.dispatchKeyEvent", key).await?;
        }
        Ok(())
    }

    /// What was copied.
    pub async fn clipboard(&self) -> Result<String> {
        let permissions = json!({"permissions": ["clipboardReadWrite"]});
        self.devtools
            .call(None, "Browser.grantPermissions", permissions)
            .await?;
        let text = self.evaluates("navigator.clipboard.readText()").await?;
        Ok(text.as_str().context("a text")?.to_owned())
    }

    /// Every address that the page has asked for.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        let asked = self.devtools.events("Network.requestWillBeSent");
        asked
            .iter()
            .filter_map(|event| event["request"]["url"].as_str().map(str::to_owned))
            .collect()
    }

    /// What the page threw, wrote to the console, or was refused. Answers that never came, or were
    /// no success, are left out with `network` false.
    #[must_use]
    pub fn complaints(&self, network: bool) -> Vec<Value> {
        let entries = self.devtools.events("Log.entryAdded");
        let logged = entries
            .into_iter()
            .filter(|entry| network || entry["entry"]["source"] != "network");
        let thrown = self.devtools.events("Runtime.exceptionThrown");
        let written = self.devtools.events("Runtime.consoleAPICalled");
        logged.chain(thrown).chain(written).collect()
    }

    async fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.devtools
            .call(Some(&self.session), method, params)
            .await
            .with_context(|| format!("{}", self.process))
    }
}
