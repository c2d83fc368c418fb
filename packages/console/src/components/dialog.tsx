import type { ReactNode } from 'react'
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from 'react-aria-components'
import { IconButton } from './button.tsx'

type DialogProps = {
  title: string
  onClose: () => void
  children: ReactNode
  wide?: boolean
  /** An answer is needed; a press beside the dialog does not close it. */
  insist?: boolean
}

/** A modal dialog; it is open as long as it is rendered, and focus returns to where it was. */
export function Dialog({ title, onClose, children, wide = false, insist = false }: DialogProps) {
  return (
    <ModalOverlay
      isOpen
      isDismissable={!insist}
      onOpenChange={(open) => !open && onClose()}
      className="fixed inset-0 z-40 flex items-end justify-center bg-scrim sm:items-start sm:p-8 sm:pt-[12vh]"
    >
      <Modal
        className={`enter max-h-[88vh] w-full overflow-auto rounded-t-lg bg-surface shadow-overlay sm:rounded-lg ${wide ? 'sm:max-w-2xl' : 'sm:max-w-md'}`}
      >
        <AriaDialog className="outline-none">
          <header className="flex items-center justify-between gap-4 border-b border-line py-2 pr-2 pl-4">
            <Heading slot="title" className="text-base">
              {title}
            </Heading>
            <IconButton icon="close" label="Close" onPress={onClose} />
          </header>
          <div className="flex flex-col gap-4 p-4">{children}</div>
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  )
}

export function DialogActions({ children }: { children: ReactNode }) {
  return <div className="flex flex-wrap justify-end gap-2 pt-2">{children}</div>
}
