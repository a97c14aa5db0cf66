//! Enums whose variants each stand for one byte on the wire.
//!
//! Invariant: a variant and its byte are written in one line only, so that `as u8` and `from_byte`
//! cannot disagree.

/// Declares such an enum, with the conversion from a byte.
macro_rules! byte_enum {
    (
        $(#[$attribute:meta])*
        pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $byte:literal,)+ }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$doc])* $variant = $byte,)+ }

        impl $name {
            /// Returns the variant that a byte stands for, if there is one.
            pub(crate) fn from_byte(byte: u8) -> Option<$name> {
                match byte {
                    $($byte => Some($name::$variant),)+
                    _ => None,
                }
            }
        }
    };
}
