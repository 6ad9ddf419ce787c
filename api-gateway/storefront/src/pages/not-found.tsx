import { useTranslation } from 'react-i18next'
import { LinkButton } from '../ui/button'
import { Empty, Page } from '../ui/page'

export default function NotFound() {
  const { t } = useTranslation()
  return (
    <Page title={t('errors.not_found')}>
      <Empty title={t('errors.not_found_hint')}><LinkButton to="/">{t('errors.home')}</LinkButton></Empty>
    </Page>
  )
}
