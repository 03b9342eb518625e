//! What holds of a config as a whole: its digest, its files, its size.

use proptest::prelude::*;

use super::*;

#[test]
fn the_digest_covers_text_secrets_and_plugins() {
    let digest = |world: &World, text: &str| world.config(text).digest;
    let first = digest(&world(), WHOLE);
    assert_eq!(digest(&world(), WHOLE), first);
    assert_ne!(digest(&world(), &format!("{WHOLE}\n# a comment")), first);
    let mut other = world();
    other.secrets.set("TOKEN", "42:other");
    assert_ne!(digest(&other, WHOLE), first);
    let mut other = world();
    other.catalogue.edit("builtin:commands", |d| d.digest = switchhook_core::id::Digest::from_hex("ff"));
    assert_ne!(digest(&other, WHOLE), first);
}

#[test]
fn identity_and_tuning_are_told_apart() {
    let digests = |world: &World, text: &str| {
        let channel = world.config(text).channels["me"].clone();
        (channel.identity, channel.tuning)
    };
    let (identity, tuning) = digests(&world(), WHOLE);
    let (same, other) = digests(&world(), &edited("route = \"personal\"", "route = \"personal\"\nretries = 3"));
    assert!(same == identity && other != tuning);
    let mut changed = world();
    changed.secrets.set("TOKEN", "42:other");
    let (other, same) = digests(&changed, WHOLE);
    assert!(other != identity && same == tuning);
}

#[test]
fn files_to_watch_are_the_config_plugins_and_secrets() {
    let mut world = world();
    world.catalogue.add("/etc/switchhook/p.wasm", FakeCatalogue::policy("p"));
    world.secrets.files.insert("/etc/switchhook/token".to_owned(), b"7:x".to_vec());
    let text = edited("{ env = \"TOKEN\" }", "{ file = \"token\" }") + "[plugins.p]\nsource = \"p.wasm\"\n";
    let files = world.config(&text).files;
    let names: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
    assert_eq!(names, ["/etc/switchhook/p.wasm", PATH, "/etc/switchhook/token"]);
}

#[test]
fn deep_nesting_and_long_lists_end() {
    let mut texts = vec![format!("a = {}", "[".repeat(5_000)), format!("a = {}", "{b=".repeat(5_000))];
    texts.push(format!("[{}a]", "a.".repeat(5_000)));
    texts.push(format!("plugins.x.settings.{}a = 1", "a.".repeat(5_000)));
    for text in texts {
        world().errors(&text);
    }
    let bad = "\"x x\",\n".repeat(20_000);
    assert_eq!(world().errors(&format!("[groups.a]\nmembers = [{bad}]\n")).problems().len(), 20_000);
    let good: String = (0..20_000).map(|n| format!("\"tg:{n}\",\n")).collect();
    assert_eq!(world().config(&format!("[groups.a]\nmembers = [{good}]\n")).groups["a"].len(), 20_000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_validation_panic(text in "\\PC{0,200}") {
        if let Err(errors) = world().validate(&text) {
            prop_assert!(!errors.render(Color::Always).is_empty());
        }
    }

    /// Close to a sound config, where most of the code is.
    #[test]
    fn no_mutation_makes_validation_panic(
        at in 0..WHOLE.len(), length in 0usize..40,
        put in prop::sample::select(vec!["", "\"", "=", "[", "]", "{", "[[", "1", "x = 1\n", "[channels.y]\n", "ä", "\u{0}", "group:family", "-5"]),
    ) {
        let end = (at + length).min(WHOLE.len());
        let text = format!("{}{put}{}", &WHOLE[..at], &WHOLE[end..]);
        if let Err(errors) = world().validate(&text) {
            prop_assert!(!errors.problems().is_empty());
            prop_assert!(!errors.render(Color::Never).is_empty());
        }
    }
}
