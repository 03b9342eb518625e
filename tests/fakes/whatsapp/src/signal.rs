//! Where one person's Signal state is: in memory, since a fake that ends takes its people along.

use std::collections::HashMap;

use whatsapp_rust::wacore::libsignal::protocol::*;
use whatsapp_rust::wacore::libsignal::store::sender_key_name::SenderKeyName;

type Result<T> = std::result::Result<T, SignalProtocolError>;

#[derive(Default)]
pub(crate) struct Sessions(pub(crate) HashMap<String, SessionRecord>);

pub(crate) struct Identities {
    own: IdentityKeyPair,
    registration: u32,
    others: HashMap<String, IdentityKey>,
}

#[derive(Default)]
pub(crate) struct PreKeys(HashMap<u32, PreKeyRecord>);

pub(crate) struct SignedPreKeys(pub(crate) u32, pub(crate) SignedPreKeyRecord);

#[derive(Default)]
pub(crate) struct SenderKeys(HashMap<String, SenderKeyRecord>);

impl Identities {
    pub(crate) fn new(own: IdentityKeyPair, registration: u32) -> Self {
        Self { own, registration, others: HashMap::new() }
    }
}

impl PreKeys {
    pub(crate) fn add(&mut self, id: u32, pair: &KeyPair) {
        self.0.insert(id, PreKeyRecord::new(id.into(), pair));
    }
}

#[async_trait::async_trait]
impl SessionStore for Sessions {
    async fn load_session(&self, at: &ProtocolAddress) -> Result<Option<SessionRecord>> {
        Ok(self.0.get(at.as_str()).cloned())
    }
    async fn has_session(&self, at: &ProtocolAddress) -> Result<bool> {
        Ok(self.0.contains_key(at.as_str()))
    }
    async fn store_session(&mut self, at: &ProtocolAddress, record: SessionRecord) -> Result<()> {
        self.0.insert(at.as_str().to_owned(), record);
        Ok(())
    }
}

#[async_trait::async_trait]
impl IdentityKeyStore for Identities {
    async fn get_identity_key_pair(&self) -> Result<IdentityKeyPair> {
        Ok(self.own.clone())
    }
    async fn get_local_registration_id(&self) -> Result<u32> {
        Ok(self.registration)
    }
    async fn save_identity(&mut self, at: &ProtocolAddress, key: &IdentityKey) -> Result<IdentityChange> {
        let old = self.others.insert(at.as_str().to_owned(), *key);
        Ok(IdentityChange::from_changed(old.is_some_and(|old| old != *key)))
    }
    /// Devices come and go, and each has a new identity.
    async fn is_trusted_identity(&self, _: &ProtocolAddress, _: &IdentityKey, _: Direction) -> Result<bool> {
        Ok(true)
    }
    async fn get_identity(&self, at: &ProtocolAddress) -> Result<Option<IdentityKey>> {
        Ok(self.others.get(at.as_str()).cloned())
    }
}

#[async_trait::async_trait]
impl PreKeyStore for PreKeys {
    async fn get_pre_key(&self, id: PreKeyId) -> Result<PreKeyRecord> {
        self.0.get(&id.into()).cloned().ok_or(SignalProtocolError::InvalidPreKeyId)
    }
    async fn save_pre_key(&mut self, id: PreKeyId, record: &PreKeyRecord) -> Result<()> {
        self.0.insert(id.into(), record.clone());
        Ok(())
    }
    async fn remove_pre_key(&mut self, id: PreKeyId) -> Result<()> {
        self.0.remove(&id.into());
        Ok(())
    }
}

#[async_trait::async_trait]
impl SignedPreKeyStore for SignedPreKeys {
    async fn get_signed_pre_key(&self, id: SignedPreKeyId) -> Result<SignedPreKeyRecord> {
        let record = (self.0 == u32::from(id)).then(|| self.1.clone());
        record.ok_or(SignalProtocolError::InvalidSignedPreKeyId)
    }
    async fn save_signed_pre_key(&mut self, id: SignedPreKeyId, record: &SignedPreKeyRecord) -> Result<()> {
        (self.0, self.1) = (id.into(), record.clone());
        Ok(())
    }
}

#[async_trait::async_trait]
impl SenderKeyStore for SenderKeys {
    async fn store_sender_key(&mut self, name: &SenderKeyName, record: SenderKeyRecord) -> Result<()> {
        self.0.insert(format!("{}|{}", name.group_id(), name.sender_id()), record);
        Ok(())
    }
    async fn load_sender_key(&self, name: &SenderKeyName) -> Result<Option<SenderKeyRecord>> {
        Ok(self.0.get(&format!("{}|{}", name.group_id(), name.sender_id())).cloned())
    }
}
