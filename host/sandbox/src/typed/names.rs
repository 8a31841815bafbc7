//! What tools are named: as their functions, with as much of their interface's name as tells them apart.

use std::collections::HashMap;

/// Where a function is exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The interface's name as the component has it, `lab:shapes/values@1.2.3`; none for a function of the world itself.
    pub(crate) interface: Option<String>,
    /// The function's own name.
    pub(crate) function: String,
}

impl Place {
    /// `lab:shapes/values@1.2.3#describe`.
    pub(crate) fn full(&self) -> String {
        match &self.interface {
            Some(interface) => format!("{interface}#{}", self.function),
            None => self.function.clone(),
        }
    }

    /// The function's name after this many words of its interface's, the nearest first: `describe`, `values_describe`,
    /// `shapes_values_describe`. Names in WIT have no `_`, so two that differ stay so.
    fn after(&self, words: usize) -> String {
        let interface = self.interface.as_deref().unwrap_or_default();
        let unversioned = interface.split('@').next().unwrap_or_default();
        let mut parts: Vec<&str> = unversioned.rsplit([':', '/']).filter(|part| !part.is_empty()).take(words).collect();
        parts.reverse();
        parts.push(&self.function);
        parts.join("_")
    }
}

/// A name for each place; none where no words tell it from another.
pub(crate) fn tools(places: &[Place]) -> Vec<Option<String>> {
    /// Namespace, package, interface.
    const MOST_WORDS: usize = 3;
    let mut words = vec![0; places.len()];
    for _ in 0..MOST_WORDS {
        let names: Vec<String> = places.iter().zip(&words).map(|(place, words)| place.after(*words)).collect();
        let count = counted(&names);
        for (name, words) in names.iter().zip(&mut words) {
            if count[name.as_str()] > 1 {
                *words += 1;
            }
        }
    }
    let names: Vec<String> = places.iter().zip(&words).map(|(place, words)| place.after(*words)).collect();
    let count = counted(&names);
    names.iter().map(|name| (count[name.as_str()] == 1).then(|| name.clone())).collect()
}

fn counted(names: &[String]) -> HashMap<&str, usize> {
    let mut count = HashMap::new();
    for name in names {
        *count.entry(name.as_str()).or_default() += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(full: &str) -> Place {
        let (interface, function) = full.split_once('#').map_or((None, full), |(left, right)| (Some(left), right));
        Place { interface: interface.map(str::to_owned), function: function.to_owned() }
    }

    #[test]
    fn a_name_says_only_what_is_needed() {
        for (places, names) in [
            (vec!["add", "lab:shapes/values@1.2.3#describe"], vec![Some("add"), Some("describe")]),
            (vec!["find", "a:b/c#find", "inline#find"], vec![Some("find"), Some("c_find"), Some("inline_find")]),
            (vec!["a:b/c#find", "a:b/d#find"], vec![Some("c_find"), Some("d_find")]),
            (vec!["a:b/c#find", "a:x/c#find"], vec![Some("b_c_find"), Some("x_c_find")]),
            (vec!["a:b/c#find", "z:b/c#find"], vec![Some("a_b_c_find"), Some("z_b_c_find")]),
            (vec!["a:b/c@1.0.0#find", "a:b/c@2.0.0#find", "go"], vec![None, None, Some("go")]),
        ] {
            let places: Vec<Place> = places.into_iter().map(place).collect();
            assert_eq!(tools(&places), names.into_iter().map(|name| name.map(str::to_owned)).collect::<Vec<_>>());
        }
    }
}
