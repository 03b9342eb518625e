//! "Did you mean …?"

/// What to say of a name that is not among the known ones: the nearest of them, or all of them if they are few.
pub(crate) fn help<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(wrong, &known) {
        Some(name) => Some(format!("did you mean `{name}`?")),
        None if known.is_empty() || known.len() > LISTED => None,
        None if known.len() == 1 => Some(format!("there is only {}", list(&known))),
        None => Some(format!("there are {}", list(&known))),
    }
}

/// More names than this are no help.
const LISTED: usize = 16;

/// At most a third of the letters may differ, and never more than three: beyond that a suggestion is a guess.
fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let limit = (wrong.chars().count() / 3).clamp(1, 3);
    let distance = |name: &str| strsim::damerau_levenshtein(&wrong, &name.to_lowercase());
    let (name, far) = known.iter().map(|name| (*name, distance(name))).min_by_key(|(_, far)| *far)?;
    (far <= limit).then_some(name)
}

pub(crate) fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_or_all_are_listed() {
        let known = ["policies", "prompt", "model"];
        assert_eq!(help("polices", known).unwrap(), "did you mean `policies`?");
        assert_eq!(help("Prompt", known).unwrap(), "did you mean `prompt`?");
        assert_eq!(help("xyz", known).unwrap(), "there are `policies`, `prompt`, `model`");
        assert_eq!(help("xyz", ["a"]).unwrap(), "there is only `a`");
        assert_eq!(help("xyz", []), None);
    }
}
