//! The web pages in a real browser.

use serde_json::Value;

use crate::browser::Browser;
use crate::rig::Bench;
use crate::rig::until;

/// The terminal of a task, as the hub has it.
fn size(bench: &Bench, task: &str) -> (u64, u64) {
    let screen = bench.api().get(&format!("/api/tasks/{task}/screen")).expect("the hub answers");
    let screen = screen.json();
    let number = |name: &str| screen[name].as_u64().expect("a number");
    (number("rows"), number("cols"))
}

fn shows(text: &str) -> String {
    format!("document.getElementById('rows')?.innerText.includes('{text}') === true")
}

#[test]
fn a_terminal_in_the_browser_takes_keys_is_resized_and_says_its_end() {
    let bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let mut browser = Browser::start(&bench);
    browser.resize(1000, 700);
    browser.open(bench.sign_in());
    browser.until("document.querySelector('a.open') !== null");
    browser.value("document.querySelector('a.open').click()");
    browser.until("document.getElementById('live')?.textContent === 'live'");
    let query = browser.value("new URLSearchParams(location.search).get('task')");
    let Value::String(task) = query else { panic!("no task in the address") };
    // Only what has run shows the sum.
    browser.types("echo hi$((1+1))\n");
    browser.until(&shows("hi2"));

    let before = size(&bench, &task);
    browser.types("stty size\n");
    browser.until(&shows(&format!("{} {}", before.0, before.1)));
    browser.resize(640, 400);
    let after = until("the terminal is smaller", || {
        let after = size(&bench, &task);
        (after.0 < before.0 && after.1 < before.1).then_some(after)
    });
    browser.types("stty size\n");
    browser.until(&shows(&format!("{} {}", after.0, after.1)));

    browser.types("exit\n");
    browser.until("document.getElementById('live').textContent === 'ended'");
    browser.until("document.getElementById('problem').innerText.includes('The program has ended')");
    assert_eq!(bench.finish(&task)["state"], "succeeded");
    assert_eq!(browser.value("document.getElementById('problem').hidden"), false);
}

#[test]
fn who_is_not_signed_in_sees_no_terminal() {
    let bench = Bench::start(&[]);
    let mut browser = Browser::start(&bench);
    browser.open(&format!("http://{}/terminal?node=lab", bench.http()));
    browser.until("location.pathname === '/sign-in'");
    assert_eq!(browser.value("document.getElementById('terminal')"), Value::Null);
    assert!(bench.json(&["task", "list"])["items"].as_array().expect("a list").is_empty());
}
