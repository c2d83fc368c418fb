import './styles/base.css'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { applyTheme } from './frame/theme.ts'
import { router } from './router.tsx'

applyTheme()
const root = document.getElementById('root')
if (!root) throw new Error('index.html has no #root element.')
// What a boundary catches is shown on the page, with its request id; the browser's console would only repeat it.
createRoot(root, { onCaughtError: () => {} }).render(
  <StrictMode>
    <RouterProvider router={router} />
  </StrictMode>,
)
