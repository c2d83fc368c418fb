/** What a new playbook starts from: sound as it stands, and small enough to read. */
export const firstPlaybook = `name: Ask and note
description: Asks a moderator, then writes the decision into the case.
tlp: AMBER
steps:
  - id: ask
    type: wait-for-approval
    prompt: Contain what case \${{ case.number }} names?
    role: moderator
  - id: note
    type: case.comment
    text: Containment was approved.
`
