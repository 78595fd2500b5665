//! Which skills there are, and on which nodes.

use std::collections::BTreeMap;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::capability::OfferedSkill;
use cortex_core::node::Node;

use super::Hub;
use super::check_scope;

/// A skill and the nodes that offer it in the same words.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SkillOffer {
    /// The skill.
    pub skill: OfferedSkill,
    /// The nodes, by name.
    pub nodes: Vec<Node>,
}

impl Hub {
    /// The skills of all nodes that `who` may see, or of one, by name. Nodes that say different
    /// things of a skill of one name make several offers of it.
    ///
    /// # Errors
    /// `NotFound`: no such node of `who`'s. `Denied`: the credential may not read.
    pub async fn skills(&self, who: &Principal, node: Option<&str>) -> Result<Vec<SkillOffer>> {
        check_scope(who, Scope::Read)?;
        let nodes = match node {
            Some(key) => vec![self.node(who, key).await?],
            None => self.nodes(who, None).await?,
        };
        Ok(gather(nodes, |_| true))
    }

    /// What nodes that `who` may see offer under one name.
    ///
    /// # Errors
    /// `NotFound`: none of them offers such a skill. `Denied`: the credential may not read.
    pub async fn skill(&self, who: &Principal, name: &str) -> Result<Vec<SkillOffer>> {
        let nodes = self.nodes(who, None).await?;
        let offers = gather(nodes, |skill| skill.name == name);
        if offers.is_empty() {
            let message = format!("no node of yours offers a skill {name:?}");
            return Err(Error::new(ErrorKind::NotFound, "find skill", message)
                .with_code("skill_not_found")
                .with_hint("cortex-cli skill list"));
        }
        Ok(offers)
    }
}

/// Puts nodes together that say the same of a skill.
fn gather(nodes: Vec<Node>, wanted: impl Fn(&OfferedSkill) -> bool) -> Vec<SkillOffer> {
    let mut by_words: BTreeMap<(String, String, String), Vec<SkillOffer>> = BTreeMap::new();
    for node in nodes {
        let stated = node.capabilities.iter().flat_map(|stated| &stated.skills);
        for skill in stated.filter(|skill| wanted(skill)) {
            let form = &skill.form;
            let key = (skill.name.clone(), skill.version.clone(), form.summary.clone());
            let offers = by_words.entry(key).or_default();
            match offers.iter_mut().find(|offer| offer.skill == *skill) {
                Some(offer) => offer.nodes.push(node.clone()),
                None => {
                    offers.push(SkillOffer { skill: skill.clone(), nodes: vec![node.clone()] });
                }
            }
        }
    }
    by_words.into_values().flatten().collect()
}
