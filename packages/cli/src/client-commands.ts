import type { Command } from 'commander'
import { addAuditCommands } from './audit-verbs.ts'
import { addCaseCommands } from './case-commands.ts'
import { addDoctorCommand } from './doctor-command.ts'
import { addLoginCommands } from './login.ts'
import { addOrgCommands } from './org-commands.ts'
import { addRunnerCommands } from './runner-commands.ts'
import { addSourceCommands } from './source-commands.ts'
import { addUserCommands } from './user-commands.ts'

/** Adds every command that talks to an installation, and has wrongly written ones exit with 2. */
export function addClientCommands(program: Command): void {
  addLoginCommands(program)
  addOrgCommands(program)
  addUserCommands(program)
  addSourceCommands(program)
  addCaseCommands(program)
  addRunnerCommands(program)
  addAuditCommands(program)
  addDoctorCommand(program)
  exitWithTwo(program)
}

/** Scripts tell a command that did not work (1) from one that was written wrongly (2). */
function exitWithTwo(command: Command): void {
  command.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  for (const each of command.commands) exitWithTwo(each)
}
