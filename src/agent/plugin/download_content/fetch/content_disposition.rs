//! The file name that a server suggests in `Content-Disposition` (RFC 6266).

/// The longest name that file systems take, in bytes.
const NAME_LIMIT: usize = 255;

/// The suggested name, reduced to one that stays in its folder; none where the server suggests none that does.
pub fn file_name(header: &str) -> Option<String> {
    let parameters = parameters(header);
    let find = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let suggested = find("filename*").and_then(extended).or_else(|| find("filename").map(str::to_owned))?;
    let name = suggested.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let is_usable = (1..=NAME_LIMIT).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.chars().any(char::is_control);
    is_usable.then(|| name.to_owned())
}

/// The parameters behind the disposition type, names in lower case, quotes taken away.
fn parameters(header: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = header.split_once(';').map(|(_, rest)| rest).unwrap_or_default();
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = value(after.trim_start());
        found.push((name.trim().to_ascii_lowercase(), value));
        rest = after.split_once(';').map(|(_, rest)| rest).unwrap_or_default();
    }
    found
}

/// A token or a quoted string, and what follows it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, _) = text.split_once(';').unwrap_or((text, ""));
        return (token.trim().to_owned(), text.get(token.len()..).unwrap_or_default());
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return (value, quoted.get(index + 1..).unwrap_or_default()),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

/// `UTF-8''name` with percent signs (RFC 8187).
fn extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, encoded) = rest.split_once('\'')?;
    let decoded = percent_encoding::percent_decode_str(encoded).decode_utf8().ok()?;
    charset.eq_ignore_ascii_case("utf-8").then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_in_all_its_spellings() {
        for (header, name) in [
            ("attachment; filename=f.sh", "f.sh"),
            ("attachment; FileName=\"a b;c.sh\"; size=5", "a b;c.sh"),
            (r#"attachment; filename="a\"b""#, "a\"b"),
            ("inline; filename=\"plain\"; filename*=UTF-8''%c3%a4.sh", "ä.sh"),
            ("attachment; filename*=iso-8859-1''x; filename=y", "y"),
        ] {
            assert_eq!(file_name(header).as_deref(), Some(name), "{header}");
        }
    }

    #[test]
    fn a_name_never_leaves_the_folder() {
        assert_eq!(file_name("attachment; filename=\"../../etc/passwd\"").as_deref(), Some("passwd"));
        assert_eq!(file_name(r#"attachment; filename="C:\\x\\run.sh""#).as_deref(), Some("run.sh"));
        for header in [
            "",
            "attachment",
            "attachment; filename=",
            "attachment; filename=..",
            "attachment; filename=\"a/\"",
            "attachment; filename*=UTF-8''a%00b",
            "attachment; filename=\"",
        ] {
            assert_eq!(file_name(header), None, "{header}");
        }
    }
}
