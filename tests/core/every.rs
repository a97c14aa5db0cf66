//! The names of an enum's variants, so that a test can say that it has met each of them.

/// The variants of an enum, by name. One that is left out breaks the build.
macro_rules! every {
    ($type:ty: $($variant:ident)*) => {{
        type Type = $type;
        let _exhaustive: fn(Type) = |value| match value {
            $(Type::$variant { .. } => {})*
        };
        [$(stringify!($variant)),*].into_iter().map(str::to_owned).collect::<BTreeSet<String>>()
    }};
}

/// The name of a value's variant.
pub fn variant(value: impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default()
        .to_owned()
}
