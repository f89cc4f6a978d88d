//! Errors of libraries, in words.

/// An error with what caused it, on one line: the outermost alone says little. What is said already is not said again.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Because(&'static str, Option<Box<Because>>);

    impl fmt::Display for Because {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Because {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as &(dyn Error + 'static))
        }
    }

    #[test]
    fn all_causes_are_told_and_none_twice() {
        let refused = || Box::new(Because("refused", None));
        let error = Because("cannot connect", Some(Box::new(Because("tcp: refused", Some(refused())))));
        assert_eq!(with_causes(&error), "cannot connect: tcp: refused");
        assert_eq!(with_causes(&Because("sending", Some(refused()))), "sending: refused");
    }
}
