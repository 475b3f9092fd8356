//! Writes to the API server, by its own count.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use keelson_e2e::Keelson;

const COUNTER: &str = "apiserver_request_total{";
/// The API server calls a server-side apply APPLY.
const VERBS: [&str; 6] = ["POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"];
/// Questions that are asked by POST, and tokens: nothing of them is stored.
const NO_OBJECTS: [&str; 4] =
    ["subjectaccessreviews", "selfsubjectaccessreviews", "tokenreviews", "serviceaccounts/token"];

/// How many writes there were, by verb and resource such as `APPLY invocations/status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writes(BTreeMap<String, u64>);

impl Writes {
    /// Since the API server's start.
    pub async fn until_now(keelson: &Keelson) -> anyhow::Result<Self> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        Ok(Self::parse(&keelson.client().request_text(request).await?))
    }

    /// Those of accepted requests, from the text the API server serves its metrics as.
    fn parse(metrics: &str) -> Self {
        let mut writes = BTreeMap::new();
        for line in metrics.lines().filter_map(|line| line.strip_prefix(COUNTER)) {
            let Some((labels, count)) = line.rsplit_once("} ") else { continue };
            let label = |name: &str| {
                let value = labels.split(',').find_map(|label| label.strip_prefix(name)?.strip_prefix("=\""));
                value.map_or("", |value| value.trim_end_matches('"'))
            };
            let resource = match (label("resource"), label("subresource")) {
                (resource, "") => resource.to_owned(),
                (resource, part) => format!("{resource}/{part}"),
            };
            let is_write = VERBS.contains(&label("verb")) && label("dry_run").is_empty();
            if is_write && label("code").starts_with('2') && !NO_OBJECTS.contains(&resource.as_str()) {
                let count: u64 = count.trim().parse().unwrap_or_default();
                *writes.entry(format!("{} {resource}", label("verb"))).or_default() += count;
            }
        }
        Self(writes)
    }

    /// Those that came after `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let new = self.0.iter().map(|(what, count)| {
            (what.clone(), count.saturating_sub(earlier.0.get(what).copied().unwrap_or_default()))
        });
        Self(new.filter(|(_, count)| *count > 0).collect())
    }

    /// Only those of which this is true of verb and resource.
    pub fn only(&self, is: impl Fn(&str, &str) -> bool) -> Self {
        let matches = |what: &str| what.split_once(' ').is_some_and(|(verb, resource)| is(verb, resource));
        Self(self.0.iter().filter(|(what, _)| matches(what)).map(|(what, n)| (what.clone(), *n)).collect())
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }
}

impl Display for Writes {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.0.iter().map(|(what, count)| format!("{count} {what}")).collect();
        if parts.is_empty() { to.write_str("none") } else { to.write_str(&parts.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(verb: &str, resource: &str, subresource: &str, code: u16, count: u64) -> String {
        format!(
            "apiserver_request_total{{code=\"{code}\",component=\"apiserver\",dry_run=\"\",group=\"keelson.dev\",\
             resource=\"{resource}\",scope=\"resource\",subresource=\"{subresource}\",verb=\"{verb}\",version=\"v1\"}} {count}\n"
        )
    }

    #[test]
    fn accepted_writes_are_counted_by_verb_and_resource() {
        let text = line("POST", "invocations", "", 201, 20)
            + &line("APPLY", "invocations", "status", 200, 20)
            + &line("APPLY", "invocations", "status", 409, 3)
            + &line("GET", "invocations", "", 200, 99)
            + &line("POST", "subjectaccessreviews", "", 201, 5);
        let writes = Writes::parse(&text);
        assert_eq!(writes.to_string(), "20 APPLY invocations/status, 20 POST invocations");
        assert_eq!(writes.only(|verb, _| verb == "POST").count(), 20);
    }

    #[test]
    fn only_what_came_since_is_left() {
        let before = Writes::parse(&line("PUT", "leases", "", 200, 5));
        let after = Writes::parse(&(line("PUT", "leases", "", 200, 7) + &line("POST", "events", "", 201, 1)));
        assert_eq!(after.since(&before).to_string(), "1 POST events, 2 PUT leases");
        assert_eq!(after.since(&after).to_string(), "none");
    }
}
