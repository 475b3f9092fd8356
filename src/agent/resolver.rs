//! Name resolution in a statically linked binary.
//!
//! glibc looks names up through modules that nsswitch.conf lists and that it loads at run time. A static
//! binary can load only modules of the very same glibc, and crashes on others, so it must not try. `files`
//! (/etc/hosts) and `dns` (/etc/resolv.conf) are part of glibc itself since 2.34; the agent uses these two and
//! no other, on every node alike. What systemd-resolved knows arrives through its DNS stub.

/// Makes every later lookup of a host name use /etc/hosts and DNS alone. To be called before the first one.
pub fn use_files_and_dns_only() {
    #[cfg(target_env = "gnu")]
    glibc::configure_hosts();
}

#[cfg(target_env = "gnu")]
#[allow(unsafe_code, reason = "glibc's only way to choose its lookup modules is a C function")]
mod glibc {
    use std::ffi::{c_char, c_int};

    unsafe extern "C" {
        fn __nss_configure_lookup(database: *const c_char, service_line: *const c_char) -> c_int;
    }

    pub(super) fn configure_hosts() {
        // SAFETY: both are C strings that live for ever, and no other thread runs yet that could look names up.
        // A failure leaves nsswitch.conf in force.
        let _status = unsafe { __nss_configure_lookup(c"hosts".as_ptr(), c"files dns".as_ptr()) };
    }
}
