//! The command line as a shell sees it: exit codes, streams, and the shapes of `--json`.

use crate::program::{CONFIG, Folder, Output, get, text};
use serde_json::Value;

fn check_code(output: &Output, code: i32) {
    assert_eq!(output.code, code, "stdout: {}\nstderr: {}", output.stdout, output.stderr);
}

#[test]
fn a_wrong_command_line_is_2() {
    let folder = Folder::new(CONFIG);
    check_code(&folder.run(&["frobnicate"]), 2);
    let output = folder.run(&["explain", "d17"]);
    check_code(&output, 2);
    assert!(output.stderr.contains("such as `m17`"), "{}", output.stderr);
}

#[test]
fn a_config_in_order_is_0_and_says_what_it_has() {
    let output = Folder::new(CONFIG).run(&["check"]);
    check_code(&output, 0);
    assert!(output.stdout.contains("1 channel, 1 route"), "{}", output.stdout);
}

/// F3
#[test]
fn a_bad_config_is_3_with_place_caret_and_suggestion() {
    let output = Folder::new(&CONFIG.replace("open ", "opne ")).run(&["check"]);
    check_code(&output, 3);
    let place = format!("switchhook.toml:{}:1", CONFIG.lines().position(|l| l.starts_with("open ")).unwrap() + 1);
    for part in [place.as_str(), "opne", "────", "did you mean `open`?"] {
        assert!(output.stderr.contains(part), "{part} is missing in {}", output.stderr);
    }
    assert!(!output.stderr.contains('\u{1b}'), "no colours where there is no terminal");
    assert_eq!(output.stdout, "");
}

#[test]
fn json_of_a_check_lists_every_problem_on_standard_output() {
    let output = Folder::new(&CONFIG.replace("open ", "opne ").replace("\"web\"", "\"wib\"")).run(&["check", "--json"]);
    check_code(&output, 3);
    let answer: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(answer["ok"], false);
    let problems = answer["problems"].as_array().unwrap();
    assert!(problems.len() >= 2, "{answer}");
    for problem in problems {
        assert!(problem["line"].as_u64().unwrap() > 0 && problem["message"].is_string(), "{problem}");
    }
}

#[test]
fn without_a_config_file_it_is_3_and_says_where_it_looked() {
    let folder = Folder::new(CONFIG);
    std::fs::remove_file(folder.config()).unwrap();
    let output = folder.run_without_config(&["check"]);
    check_code(&output, 3);
    assert!(output.stderr.contains("config/switchhook.toml"), "{}", output.stderr);
}

#[test]
fn without_a_running_host_it_is_4() {
    let folder = Folder::new(CONFIG);
    check_code(&folder.run(&["status"]), 4);
    let mut host = folder.start();
    host.stop();
    let output = folder.run(&["status"]);
    check_code(&output, 4);
    assert!(output.stderr.contains("switchhook run"), "{}", output.stderr);
}

#[test]
fn the_schema_and_a_plugins_own_words_need_no_host() {
    let folder = Folder::new(CONFIG);
    let schema = folder.run(&["schema"]);
    check_code(&schema, 0);
    let schema: Value = serde_json::from_str(&schema.stdout).unwrap();
    assert!(schema["properties"]["channels"].is_object());
    let plugin = folder.run(&["plugin", "inspect", "builtin:guide", "--json"]);
    check_code(&plugin, 0);
    let plugin: Value = serde_json::from_str(&plugin.stdout).unwrap();
    assert_eq!((&plugin["kind"], &plugin["name"]), (&"reply".into(), &"guide".into()));
    check_code(&folder.run(&["plugin", "inspect", "no-such-file.wasm"]), 1);
}

#[test]
fn a_running_host_answers_every_command() {
    let folder = Folder::new(CONFIG);
    let mut host = folder.start();
    let status = folder.run(&["status", "--json"]);
    check_code(&status, 0);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["generation"], 1);
    assert_eq!((&status["channels"][0]["name"], &status["channels"][0]["kind"]), (&"front".into(), &"web".into()));
    for (arguments, expect) in [
        (&["status"][..], "front"),
        (&["plugin", "list"], "builtin:guide"),
        (&["held", "list"], "Nothing is held."),
        (&["dead", "list"], "No delivery was given up on."),
        (&["reload"], "Nothing changed"),
        (&["reload", "--dry-run"], "would change nothing"),
        (&["contacts", "block", "+1 555 123 4567"], "+15551234567 is blocked"),
        (&["contacts", "list"], "+15551234567"),
        (&["contacts", "forget", "+15551234567"], "neither"),
        (&["contacts", "list"], "Nobody has written yet."),
    ] {
        let output = folder.run(arguments);
        check_code(&output, 0);
        assert!(output.stdout.contains(expect), "{arguments:?} said {}", output.stdout);
    }
    host.stop();
}

#[test]
fn what_the_host_refuses_is_5_with_its_reason() {
    let folder = Folder::new(CONFIG);
    let mut host = folder.start();
    for arguments in [
        ["explain", "m99"].as_slice(),
        &["held", "approve", "m99"],
        &["held", "drop", "m99"],
        &["dead", "replay", "m99"],
        &["dead", "replay", "d99"],
        &["dead", "replay", "nonsense"],
    ] {
        let output = folder.run(arguments);
        check_code(&output, 5);
        assert!(output.stderr.contains("no "), "{arguments:?} said {}", output.stderr);
    }
    host.stop();
}

/// F3: the host goes on, says why, and the command line still finds it although the file no longer parses.
#[test]
fn a_broken_edit_is_refused_and_status_says_why() {
    let folder = Folder::new(CONFIG);
    let mut host = folder.start();
    folder.write(&CONFIG.replace("[channels", "[channels."));
    let reload = folder.run(&["reload"]);
    check_code(&reload, 3);
    assert!(reload.stderr.contains("switchhook.toml:"), "{}", reload.stderr);
    check_code(&folder.run(&["reload", "--dry-run"]), 3);
    let status = folder.run(&["status"]);
    check_code(&status, 0);
    for part in ["REFUSED", "generation 1", "switchhook.toml:"] {
        assert!(status.stdout.contains(part), "{part} is missing in {}", status.stdout);
    }
    folder.write(&CONFIG.replace("[routes", "[groups.friends]\nmembers = []\n\n[routes"));
    let mended = folder.run(&["reload", "--json"]);
    check_code(&mended, 0);
    let mended: Value = serde_json::from_str(&mended.stdout).unwrap();
    assert_eq!(mended["generation"], 2, "{mended}");
    host.stop();
}

#[test]
fn hangup_is_a_reload_and_termination_a_drain() {
    let folder = Folder::new(CONFIG);
    let mut host = folder.start();
    host.signal("HUP");
    folder.until("the config was looked at", || {
        let status: Value = serde_json::from_str(&folder.run(&["status", "--json"]).stdout).ok()?;
        (status["last_attempt"]["cause"] == "signal").then_some(())
    });
    assert_eq!(host.stop(), 0);
    let log = host.log();
    assert!(log.contains("draining") && log.contains("drained"), "{log}");
}

#[test]
fn only_the_probes_are_open_to_everybody() {
    let folder = Folder::new(CONFIG);
    let mut host = folder.start();
    let address = host.address();
    let token = text(&folder.path("keys/api.token"));
    let bearer = format!("Authorization: Bearer {}", token.trim());
    let own = format!("Host: {address}");
    for probe in ["/livez", "/readyz", "/startedz"] {
        assert_eq!(get(&address, probe, &["Host: 10.0.0.7"]), 200, "{probe}");
    }
    for path in ["/api/v1/status", "/api/v1/events", "/api/v1/nothing", "/metrics"] {
        assert_eq!(get(&address, path, &[&own]), 401, "{path}");
        assert_eq!(get(&address, path, &["Host: evil.example", &bearer]), 403, "{path}");
        assert_eq!(get(&address, path, &[&own, &bearer, "Origin: http://evil.example"]), 403, "{path}");
    }
    assert_eq!(get(&address, "/api/v1/nothing", &[&own, &bearer]), 404);
    assert_eq!(get(&address, "/api/v1/reload", &[&own, &bearer]), 405);
    assert_eq!(get(&address, "/api/v1/messages/seven", &[&own, &bearer]), 400);
    for path in ["/api/v1/status", "/api/v1/generations", "/metrics"] {
        assert_eq!(get(&address, path, &[&own, &bearer]), 200, "{path}");
    }
    host.stop();
    assert!(!host.log().contains(token.trim()), "the log holds the token");
}
