//! Mail by SMTP.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use secrecy::ExposeSecret as _;
use towpath_domain::with_causes;

use crate::hidden::Secret;
use crate::message::Message;
use crate::render::mail;
use crate::sink::{DeliveryError, Sink, Telling};

/// How long a step of the conversation may take.
const STEP_WITHIN: Duration = Duration::from_secs(20);

/// How the way to the mail server is kept from others' eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// From the first byte (port 465).
    Always,
    /// After STARTTLS, which must be offered (port 587).
    StartTls,
    /// Not at all.
    None,
}

/// How mail is sent.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// The sink's name.
    pub name: String,
    /// The mail server's host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way there is kept from others' eyes.
    pub tls: MailTls,
    /// The server's certificate authority, where it is not one of the system's.
    pub ca: Option<PathBuf>,
    /// User and password.
    pub credentials: Option<(String, Secret)>,
    /// The sender, such as `Towpath <towpath@example.com>`.
    pub from: String,
    /// Who gets it.
    pub to: Vec<String>,
}

/// Mail by SMTP. Each mail has a conversation of its own: they are few, and a password that was renewed counts at once.
#[derive(Debug, Clone)]
pub struct Mail {
    settings: MailSettings,
    from: Mailbox,
    to: Vec<Mailbox>,
    tls: Tls,
}

impl Mail {
    /// A sink.
    ///
    /// # Errors
    /// Which address or file cannot be used.
    pub fn new(settings: MailSettings) -> Result<Self, String> {
        let address = |text: &str| text.parse::<Mailbox>().map_err(|error| format!("{text:?} is no mail address: {error}"));
        let from = address(&settings.from)?;
        let to = settings.to.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>()?;
        let tls = match settings.tls {
            MailTls::None => Tls::None,
            MailTls::Always => Tls::Wrapper(parameters(&settings.host, settings.ca.as_deref())?),
            MailTls::StartTls => Tls::Required(parameters(&settings.host, settings.ca.as_deref())?),
        };
        Ok(Self { settings, from, to, tls })
    }

    /// Sends a message to others than those of the settings.
    ///
    /// # Errors
    /// As [`Sink::deliver`].
    pub async fn send(&self, to: &[Mailbox], message: &Message) -> Result<(), DeliveryError> {
        let own = &self.settings;
        let domain = self.from.email.domain();
        let letter = mail::message(message, domain);
        let millis = u64::try_from(message.at.as_millis()).unwrap_or(0);
        let moment: SystemTime = UNIX_EPOCH + Duration::from_millis(millis);
        let mut builder =
            lettre::Message::builder().from(self.from.clone()).subject(letter.subject).message_id(Some(letter.id)).date(moment);
        if let Some(thread) = letter.thread {
            builder = builder.in_reply_to(thread.clone()).references(thread);
        }
        for one in to {
            builder = builder.to(one.clone());
        }
        let bad = |error: lettre::error::Error| DeliveryError::permanent(format!("no mail can be made of it: {error}"));
        let letter = builder.header(lettre::message::header::ContentType::TEXT_PLAIN).body(letter.text).map_err(bad)?;
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&own.host)
            .port(own.port)
            .tls(self.tls.clone())
            .hello_name(ClientId::Domain(domain.to_owned()))
            .timeout(Some(STEP_WITHIN));
        if let Some((user, password)) = &own.credentials {
            let password = password.get().await;
            let password = password.map_err(|why| DeliveryError::passing(format!("the mail server's password cannot be had: {why}")))?;
            transport = transport.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
        }
        let sent = tokio::time::timeout(4 * STEP_WITHIN, transport.build().send(letter)).await;
        match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let why = format!("{}: {}", own.host, with_causes(&error));
                // What the server says for good, and what was never sent since it cannot be.
                let permanent = error.is_permanent() || error.is_client();
                Err(DeliveryError { why, permanent, retry_after: None })
            }
            Err(_) => Err(DeliveryError::passing(format!("{} did not take the mail within {} s", own.host, 4 * STEP_WITHIN.as_secs()))),
        }
    }
}

fn parameters(host: &str, ca: Option<&Path>) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(file) = ca {
        let pem = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        let certificate = Certificate::from_pem(&pem).map_err(|_| format!("{} is no PEM certificate", file.display()))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    builder.build().map_err(|error| format!("TLS cannot be used with {host}: {}", with_causes(&error)))
}

impl Sink for Mail {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn deliver<'a>(&'a self, message: &'a Message) -> Telling<'a> {
        Box::pin(self.send(&self.to, message))
    }
}
