//! What the host's users ask of linked devices, by the channel's name. None of it stops half-way with whoever asked.

use switchhook_core::id::{AccountId, ChannelName};
use switchhook_store::{AuditEntry, LinkRecord, StoreError};

use crate::host::Host;
use crate::link::{Attempt, Begun, Caller, Device, LinkRefusal, LinkRequest, PasskeyAnswer, ShownQr};

impl Host {
    pub(crate) fn account_of(&self, channel: &str) -> Result<(ChannelName, AccountId), LinkRefusal> {
        let config = self.config();
        let found = config.channels.get_key_value(channel);
        let (name, found) = found.ok_or_else(|| LinkRefusal::NoChannel(channel.to_owned()))?;
        Ok((name.clone(), found.account.clone()))
    }

    /// Begins to link a channel to a phone; what is to be shown comes with [`Host::link_attempt`].
    pub async fn link(&self, channel: &str, request: LinkRequest, caller: Caller) -> Result<Begun, LinkRefusal> {
        let (channel, account) = self.account_of(channel)?;
        let (links, per_hour) = (self.0.links.clone(), self.config().host.link_attempts_per_hour);
        self.whole(async move { links.start(&channel, &account, &request, caller, per_hour).await }).await
    }

    /// The attempt under way, or the last one.
    pub async fn link_attempt(&self, channel: &str) -> Result<Attempt, LinkRefusal> {
        let (channel, account) = self.account_of(channel)?;
        self.0.links.attempt(&channel, &account).await
    }

    /// The QR code that the attempt under way shows now.
    pub fn link_qr(&self, channel: &str) -> Result<ShownQr, LinkRefusal> {
        let (channel, account) = self.account_of(channel)?;
        self.0.links.qr(&channel, &account)
    }

    pub async fn cancel_link(&self, channel: &str, caller: Caller) -> Result<Attempt, LinkRefusal> {
        let (channel, account) = self.account_of(channel)?;
        let links = self.0.links.clone();
        self.whole(async move { links.cancel(&channel, &account, &caller).await }).await
    }

    pub async fn answer_passkey(&self, channel: &str, answer: PasskeyAnswer) -> Result<Attempt, LinkRefusal> {
        let (channel, account) = self.account_of(channel)?;
        let links = self.0.links.clone();
        self.whole(async move { links.passkey(&channel, &account, &answer.assertion).await }).await
    }

    /// The phone shows the code that was to be compared.
    pub async fn confirm_passkey(&self, channel: &str) -> Result<Attempt, LinkRefusal> {
        let (channel, account) = self.account_of(channel)?;
        let links = self.0.links.clone();
        self.whole(async move { links.confirm_passkey(&channel, &account).await }).await
    }

    /// All attempts, the newest first.
    pub async fn link_attempts(&self, limit: u32) -> Result<Vec<LinkRecord>, StoreError> {
        self.store().links(limit).await
    }

    /// Who did what, the newest first.
    pub async fn audit(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        self.store().audits(limit).await
    }

    /// The same without what the host writes of every message.
    pub async fn audit_of_people(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        self.store().audits_of_people(limit).await
    }

    /// The devices of all channels that run and are linked, or can be.
    pub fn devices(&self) -> Vec<Device> {
        let config = self.config();
        self.0.links.devices(config.channels.iter().map(|(name, channel)| (name, &channel.account)))
    }

    /// One of them in detail.
    pub async fn device(&self, channel: &str) -> Result<Device, LinkRefusal> {
        let (channel, account) = self.account_of(channel)?;
        self.0.links.device(&channel, &account).await
    }

    /// Connects a device anew.
    pub async fn refresh_device(&self, channel: &str, caller: Caller) -> Result<Device, LinkRefusal> {
        let (channel, account) = self.account_of(channel)?;
        let links = self.0.links.clone();
        self.whole(async move { links.refresh(&channel, &account, &caller).await }).await
    }

    /// Ends a link on the phone as well, and forgets its credentials.
    pub async fn unlink_device(&self, channel: &str, caller: Caller) -> Result<Device, LinkRefusal> {
        let (channel, account) = self.account_of(channel)?;
        let links = self.0.links.clone();
        self.whole(async move { links.unlink(&channel, &account, &caller).await }).await
    }

    /// Forgets a device's credentials and tells nobody.
    pub async fn reset_device(&self, channel: &str, caller: Caller) -> Result<Device, LinkRefusal> {
        let (channel, account) = self.account_of(channel)?;
        let links = self.0.links.clone();
        self.whole(async move { links.reset(&channel, &account, &caller).await }).await
    }
}
