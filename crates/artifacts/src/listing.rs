//! One page of a listing (`ListObjectsV2`), read from whatever a server answers. Pure.
//!
//! Keys are not asked for in an encoded form (`encoding-type`): some servers then say that they are encoded, and they are not.

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;

/// How deep elements may be nested: those of a listing are nested four deep.
const DEPTH_MAX: usize = 16;

/// The longest text of an element that is read, in bytes: keys have at most 1024.
const TEXT_MAX: usize = 8 << 10;

/// A file in a bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) key: String,
    /// Its size in bytes, as the listing has it.
    pub(crate) size: Option<u64>,
}

/// A page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) objects: Vec<Object>,
    /// How to ask for the next page; none when this is the last.
    pub(crate) next: Option<String>,
}

/// Reads a page.
///
/// # Errors
/// Why it is none, in a sentence without what it says.
pub(crate) fn page(xml: &str) -> Result<Page, &'static str> {
    let mut reading = Reading::default();
    each_text(xml, "ListBucketResult", &mut |path, text| reading.take(path, text))?;
    reading.finish()
}

/// The code of an error, such as `AccessDenied`; empty when the answer has none that could be shown.
pub(crate) fn error_code(xml: &str) -> String {
    let mut code = String::new();
    // What came before a fault further down is good enough.
    let _fault = each_text(xml, "Error", &mut |path, text| {
        if let (["Error", "Code"], Some(text)) = (path, text) {
            text.clone_into(&mut code);
        }
    });
    let is_word = code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_word { code } else { String::new() }
}

/// What is read so far.
#[derive(Default)]
struct Reading {
    objects: Vec<Object>,
    open: Object,
    is_truncated: bool,
    next: Option<String>,
}

impl Reading {
    /// Takes the text of the element at this path; none when it is closed.
    fn take(&mut self, path: &[&str], text: Option<&str>) {
        match (path, text) {
            (["ListBucketResult", "IsTruncated"], Some(text)) => self.is_truncated = text.trim() == "true",
            (["ListBucketResult", "NextContinuationToken"], Some(text)) => self.next = Some(text.to_owned()),
            (["ListBucketResult", "Contents", "Key"], Some(text)) => text.clone_into(&mut self.open.key),
            (["ListBucketResult", "Contents", "Size"], Some(text)) => self.open.size = text.trim().parse().ok(),
            (["ListBucketResult", "Contents"], None) => self.objects.push(std::mem::take(&mut self.open)),
            _ => {}
        }
    }

    fn finish(self) -> Result<Page, &'static str> {
        let next = self.next.filter(|token| self.is_truncated && !token.is_empty());
        if self.is_truncated && next.is_none() {
            return Err("it says that there is more, and not how to ask for it");
        }
        Ok(Page { objects: self.objects, next })
    }
}

/// Tells the text of each element, and each element's end, by its path from the root. No tree is built.
fn each_text(xml: &str, root: &str, told: &mut dyn FnMut(&[&str], Option<&str>)) -> Result<(), &'static str> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().expand_empty_elements = true;
    let mut names: Vec<String> = Vec::new();
    let mut text = String::new();
    let mut had_root = false;
    loop {
        let more = match reader.read_event() {
            Ok(Event::Start(element)) => {
                let name = element.local_name();
                if names.is_empty() && (had_root || name.as_ref() != root) {
                    return Err("it is the answer to something else");
                }
                if names.len() >= DEPTH_MAX {
                    return Err("its elements are nested too deep");
                }
                had_root = true;
                names.push(name.as_ref().to_owned());
                text.clear();
                continue;
            }
            Ok(Event::End(_)) => {
                let path: Vec<&str> = names.iter().map(String::as_str).collect();
                told(&path, Some(&text));
                told(&path, None);
                names.pop();
                text.clear();
                continue;
            }
            Ok(Event::Text(more)) => more.into_inner().to_string(),
            Ok(Event::CData(more)) => more.into_inner().to_string(),
            // Nothing but XML's own references is known, so nothing can expand to much.
            Ok(Event::GeneralRef(name)) => match (name.resolve_char_ref(), resolve_xml_entity(&name)) {
                (Ok(Some(char)), _) => char.to_string(),
                (Ok(None), Some(text)) => text.to_owned(),
                _ => return Err("it refers to something that is not in it"),
            },
            Ok(Event::DocType(_)) => return Err("it declares a document type"),
            Ok(Event::Decl(_) | Event::PI(_) | Event::Comment(_)) => continue,
            Ok(Event::Eof) if had_root && names.is_empty() => return Ok(()),
            Ok(Event::Eof) => return Err("it is cut short"),
            Ok(Event::Empty(_)) => continue,
            Err(_) => return Err("it is no well-formed XML"),
        };
        if text.len() + more.len() > TEXT_MAX {
            return Err("a text in it is too long");
        }
        text.push_str(&more);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listing(inner: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inner}</ListBucketResult>"
        )
    }

    fn keys(xml: &str) -> Vec<String> {
        page(xml).unwrap().objects.into_iter().map(|object| object.key).collect()
    }

    #[test]
    fn a_page_as_servers_write_it_is_read() {
        let xml = listing(
            "\n<Name>smoke-artifacts</Name><Prefix/><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated>\
             <NextContinuationToken>1/a&amp;b=</NextContinuationToken>\n\
             <Contents><Key>a &lt;b&#62;.xml</Key><LastModified>2026-11-20T10:00:00.000Z</LastModified><Size>12</Size>\
             <Owner><ID>x</ID><DisplayName>x</DisplayName></Owner></Contents>\
             <Contents><Key><![CDATA[c.xml]]></Key></Contents><CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes>",
        );
        let read = page(&xml).unwrap();
        let object = |key: &str, size| Object { key: key.to_owned(), size };
        assert_eq!(read.objects, [object("a <b>.xml", Some(12)), object("c.xml", None)]);
        assert_eq!(read.next.as_deref(), Some("1/a&b="));
        assert_eq!(page(&listing("<IsTruncated>false</IsTruncated>")), Ok(Page::default()));
        assert_eq!(page(&listing("")), Ok(Page::default()));
    }

    #[test]
    fn keys_are_as_they_are_written() {
        let key = "<EncodingType>url</EncodingType><Contents><Key>a%2Fb+c%C3%A4&#x1;.xml</Key></Contents>";
        assert_eq!(keys(&listing(key)), ["a%2Fb+c%C3%A4\u{1}.xml"]);
    }

    #[test]
    fn what_is_no_listing_is_told() {
        for (xml, why) in [
            (String::new(), "cut short"),
            ("<html><body>Sign in</body></html>".to_owned(), "something else"),
            ("{\"error\": 1}".to_owned(), "cut short"),
            (listing("<Contents><Key>a</Key>"), "no well-formed XML"),
            ("<ListBucketResult><Contents>".to_owned(), "cut short"),
            (listing("<IsTruncated>true</IsTruncated>"), "not how to ask"),
            (listing("<Contents><Key>&bomb;</Key></Contents>"), "refers to something"),
            (format!("<!DOCTYPE x [<!ENTITY bomb \"x\">]>{}", listing("")), "document type"),
            (listing(&"<a>".repeat(100_000)), "nested too deep"),
            (listing(&format!("<Contents><Key>{}</Key></Contents>", "x".repeat(TEXT_MAX + 1))), "too long"),
            (format!("{0}{0}", "<ListBucketResult></ListBucketResult>"), "something else"),
        ] {
            let told = page(&xml).unwrap_err();
            assert!(told.contains(why), "{told}: {}", &xml[..xml.len().min(200)]);
        }
    }

    #[test]
    fn of_an_error_only_its_code_is_shown_and_only_a_plain_one() {
        let error = "<Error><Code>SignatureDoesNotMatch</Code><Message>x</Message><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>";
        assert_eq!(error_code(error), "SignatureDoesNotMatch");
        for odd in ["", "<html>", "<Error><Code>a b</Code></Error>", "<Error><Nested><Code>X</Code></Nested></Error>", "<Error/>"] {
            assert_eq!(error_code(odd), "", "{odd}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(parts in prop::collection::vec(
            prop_oneof![
                Just("<ListBucketResult>".to_owned()), Just("</ListBucketResult>".to_owned()), Just("<Contents>".to_owned()),
                Just("</Contents>".to_owned()), Just("<Key>".to_owned()), Just("</Key>".to_owned()), Just("<IsTruncated>true</IsTruncated>".to_owned()),
                Just("&#x0;".to_owned()), Just("<![CDATA[".to_owned()), ".{0,12}",
            ],
            0..20,
        )) {
            let xml = parts.concat();
            let _read = page(&xml);
            let _code = error_code(&xml);
        }
    }
}
