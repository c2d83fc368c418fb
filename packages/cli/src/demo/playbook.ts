/** The demo's playbook: look an address up, ask a person, block it at the edge, tell the case. */
export function demoPlaybook(targetPort: number): string {
  return `name: Block address at the edge
description: Looks the attacker's address up, asks a moderator, blocks it and writes it down.
tlp: AMBER
egress:
  - host: 127.0.0.1
    port: ${targetPort}
    private: true
steps:
  - id: pick
    type: transform
    set:
      address: "observables.filter(o, o.type == 'ipv4')[0].value"
  - id: lookup
    type: http.request
    method: GET
    url: http://127.0.0.1:${targetPort}/reputation/\${{ steps.pick.address }}
    expect:
      status: [200]
  - id: known_bad
    type: condition
    if: steps.lookup.body.score >= 80
    then:
      - id: ok
        type: wait-for-approval
        prompt: "Block \${{ steps.pick.address }}? Its score is \${{ steps.lookup.body.score }}."
        role: moderator
      - id: block
        type: http.request
        method: POST
        url: http://127.0.0.1:${targetPort}/firewall/blocks
        body:
          address: \${{ steps.pick.address }}
        expect:
          status: [201]
      - id: tell
        type: case.comment
        text: "Blocked \${{ steps.pick.address }} at the edge as \${{ steps.block.body.id }}."
    else:
      - id: leave
        type: case.comment
        text: "\${{ steps.pick.address }} is not known to be bad; nothing was blocked."
`
}
