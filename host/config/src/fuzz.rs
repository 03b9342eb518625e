//! What must hold of a config's text, whatever it is: the fuzzer asks it of everything it can think of, and the tests of
//! its seeds.

use crate::fakes::world;
use crate::{Color, ConfigErrors, plan};

/// The bot's token in the world of the fuzzer, which nothing may show.
const TOKEN: &str = "42:hunter2-hunter2";

/// # Panics
/// Where the rule is broken: a text is a config that differs in nothing from itself, or it is refused with errors that
/// have a place in it; and no secret is shown.
pub fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // A text that holds the token shows it itself, wherever it is quoted.
    if text.contains(TOKEN) {
        return;
    }
    let mut world = world();
    world.secrets.set("TOKEN", TOKEN);
    match world.validate(text) {
        Ok(config) => {
            let again = world.validate(text).expect("a sound config stays sound");
            assert_eq!(config.digest, again.digest);
            assert!(plan(Some(&config), &again).is_empty());
            let start = plan(None, &config);
            let shown = serde_json::to_string(&start).expect("a plan is JSON") + &format!("{config:?}");
            assert!(!shown.contains(TOKEN), "a secret is shown");
        }
        Err(errors) => placed(text, &errors),
    }
}

fn placed(text: &str, errors: &ConfigErrors) {
    assert!(!errors.problems().is_empty() && !errors.files().is_empty());
    let lines = text.split('\n').count();
    for problem in errors.problems() {
        assert!((1..=lines).contains(&problem.line), "line {} of {lines}: {problem}", problem.line);
        assert!(problem.column > 0 && !problem.message.is_empty());
    }
    let shown = errors.render(Color::Never) + &errors.to_string();
    assert!(!shown.contains(TOKEN), "a secret is shown");
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_of_the_fuzzer_keep_the_rule() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/seeds/config");
        let seeds: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!seeds.is_empty());
        seeds.iter().for_each(|seed| super::text(&std::fs::read(seed).unwrap()));
    }
}
