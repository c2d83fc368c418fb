import type { Command } from 'commander'
import { addAuditCommands } from './audit-verbs.ts'
import { addBackupCommands } from './backup-commands.ts'
import { addCaseCommands } from './case-commands.ts'
import { addDoctorCommand } from './doctor-command.ts'
import { addKeysCommands } from './keys-commands.ts'
import { addLoginCommands } from './login.ts'
import { addOrgCommands } from './org-commands.ts'
import { addRestoreCommand } from './restore-command.ts'
import { addRunnerCommands } from './runner-commands.ts'
import { addSecretCommands } from './secret-commands.ts'
import { addServiceCommands } from './service-commands.ts'
import { addSourceCommands } from './source-commands.ts'
import { addUnsealCommand } from './unseal-command.ts'
import { addUserCommands } from './user-commands.ts'

/** Adds every command that talks to an installation or administers it, and has wrongly written ones exit with 2. */
export function addClientCommands(program: Command): void {
  // `backup` has options of its own and commands below it: what follows a command's name is that command's.
  program.enablePositionalOptions()
  addLoginCommands(program)
  addOrgCommands(program)
  addUserCommands(program)
  addSourceCommands(program)
  addCaseCommands(program)
  addRunnerCommands(program)
  addAuditCommands(program)
  addDoctorCommand(program)
  addUnsealCommand(program)
  addSecretCommands(program)
  addKeysCommands(program)
  addServiceCommands(program)
  addBackupCommands(program)
  addRestoreCommand(program)
  exitWithTwo(program)
}

/** Scripts tell a command that did not work (1) from one that was written wrongly (2). */
function exitWithTwo(command: Command): void {
  command.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  for (const each of command.commands) exitWithTwo(each)
}
