//! A Chromium without a window, driven over its debugging protocol.

use std::fs::File;
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::WebSocket;
use tokio_tungstenite::tungstenite::client;

use crate::rig::Bench;
use crate::rig::LIMIT;
use crate::rig::Running;
use crate::rig::until;

/// The browser with one page; it ends with the value.
pub(crate) struct Browser {
    socket: WebSocket<TcpStream>,
    /// The page's, in the browser's words.
    session: Option<String>,
    count: u64,
    _process: Running,
}

impl Browser {
    /// Starts one with a profile of its own and a page that shows nothing.
    pub(crate) fn start(bench: &Bench) -> Self {
        let profile = bench.path("chromium");
        let mut command = bench.command("chromium");
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"]);
        command.args(["--no-first-run", "--disable-background-networking", "--disable-sync"]);
        command.args(["--disable-component-update", "--disable-dev-shm-usage"]);
        command.arg("--remote-debugging-port=0").arg("about:blank");
        command.arg(format!("--user-data-dir={}", profile.display()));
        let log = File::create(bench.path("chromium.log")).expect("a file");
        let child = command.stdout(Stdio::null()).stderr(log).spawn();
        let process = Running::of(child.expect("scripts/setup installs Chromium"));
        let port = until("Chromium listens", || {
            let file = std::fs::read_to_string(profile.join("DevToolsActivePort")).ok()?;
            let (port, path) = file.split_once('\n')?;
            (!path.is_empty()).then(|| (port.to_owned(), path.trim().to_owned()))
        });
        let (port, path) = port;
        let stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("Chromium listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a socket");
        let (socket, _) =
            client(format!("ws://127.0.0.1:{port}{path}"), stream).expect("a WebSocket");
        let mut browser = Self { socket, session: None, count: 0, _process: process };
        let targets = browser.call("Target.getTargets", &json!({}));
        let targets = targets["targetInfos"].as_array().expect("a list");
        let page = targets.iter().find(|target| target["type"] == "page").expect("a page");
        let attach = json!({ "targetId": page["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", &attach);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        browser
    }

    /// Opens an address.
    pub(crate) fn open(&mut self, address: &str) {
        let opened = self.call("Page.navigate", &json!({ "url": address }));
        assert_eq!(opened["errorText"], Value::Null, "{address}");
    }

    /// The value of an expression on the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true });
        let mut answer = self.call("Runtime.evaluate", &params);
        answer["result"]["value"].take()
    }

    /// Waits until an expression is true on the page, whichever page that is by then.
    pub(crate) fn until(&mut self, expression: &str) {
        let begin = std::time::Instant::now();
        while self.value(expression) != true {
            if begin.elapsed() > LIMIT {
                let shown = self.value("location.href + '\\n' + document.body.innerText");
                panic!("{expression}: not within {LIMIT:?}; {shown}");
            }
            crate::rig::pause();
        }
    }

    /// Presses keys one by one, as somebody does; `\n` is Enter.
    pub(crate) fn types(&mut self, keys: &str) {
        for key in keys.chars() {
            let (name, text) = match key {
                '\n' => ("Enter".to_owned(), "\r".to_owned()),
                key => (key.to_string(), key.to_string()),
            };
            for kind in ["keyDown", "keyUp"] {
                let mut event = json!({ "type": kind, "key": name });
                if kind == "keyDown" {
                    event["text"] = json!(text);
                }
                self.call("Input.dispatchKeyEvent", &event);
            }
        }
    }

    /// Gives the page another size.
    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.count += 1;
        let mut call = json!({ "id": self.count, "method": method, "params": params });
        if let Some(session) = &self.session {
            call["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(call.to_string())).expect("Chromium listens");
        loop {
            let Message::Text(text) = self.socket.read().expect("Chromium answers") else {
                continue;
            };
            let mut answer: Value = serde_json::from_str(&text).expect("JSON");
            // What happens meanwhile is told, too.
            if answer["id"] == self.count {
                assert_eq!(answer["error"], Value::Null, "{method} {params}");
                return answer["result"].take();
            }
        }
    }
}
